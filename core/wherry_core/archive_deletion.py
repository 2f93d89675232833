"""Deletion of archives from the store: a job's objects and its open multipart uploads."""

from typing import Any

from botocore.exceptions import ClientError

from wherry_core.archive_keys import archive_folder
from wherry_core.settings import StoreSettings

DELETE_BATCH = 1_000
"""Most keys in one DeleteObjects request (S3's limit)."""


async def abort_uploads(client: Any, settings: StoreSettings, folder: str) -> int:
    """Abort every multipart upload under ``folder``; return their number."""
    aborted = 0
    pages = client.get_paginator("list_multipart_uploads").paginate(
        Bucket=settings.archive_bucket, Prefix=folder
    )
    async for page in pages:
        for upload in page.get("Uploads", []):
            if not upload["Key"].startswith(folder):
                continue
            try:
                await client.abort_multipart_upload(
                    Bucket=settings.archive_bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
            except ClientError as error:
                # The runner of a deleted job and the operator may abort its upload at once.
                if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                    raise
            else:
                aborted += 1
    return aborted


async def delete_objects(client: Any, settings: StoreSettings, folder: str) -> int:
    """Delete every object under ``folder``; return their number.

    Raises RuntimeError when the store refuses to delete one of them.
    """
    deleted = 0
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=settings.archive_bucket,
        Prefix=folder,
        PaginationConfig={"PageSize": DELETE_BATCH},
    )
    async for page in pages:
        objects = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if not objects:
            continue
        answer = await client.delete_objects(
            Bucket=settings.archive_bucket, Delete={"Objects": objects, "Quiet": True}
        )
        if errors := answer.get("Errors"):
            raise RuntimeError(f"the store did not delete {errors[0].get('Key')}: {errors[0]}")
        deleted += len(objects)
    return deleted


async def remove_job(client: Any, settings: StoreSettings, namespace: str, uid: str) -> int:
    """Abort the uploads and delete the objects of one job; return the number of both."""
    folder = archive_folder(settings, namespace, uid)
    aborted = await abort_uploads(client, settings, folder)
    return aborted + await delete_objects(client, settings, folder)
