"""Archives in the store: their keys, and the removal of all objects of a job."""

from typing import Any

from botocore.exceptions import ClientError

from wherry_core.percent_decoding import decoded_forms
from wherry_core.settings import StoreSettings

DELETE_BATCH = 1_000
"""Most keys in one DeleteObjects request (S3's limit)."""


def archive_folder(settings: StoreSettings, namespace: str, uid: str) -> str:
    """Return the key prefix of all objects of one job."""
    return f"{settings.archive_prefix}{namespace}/{uid}/"


def archive_key(
    settings: StoreSettings, namespace: str, uid: str, attempt: int, archive_name: str
) -> str:
    """Return the object key of one attempt's archive; no two attempts share a key."""
    return f"{archive_folder(settings, namespace, uid)}{attempt}/{archive_name}"


def is_result_of(settings: StoreSettings, namespace: str, uid: str, bucket: str, key: str) -> bool:
    """Return whether an object may be a job's result: in the job's folder, or a source object.

    The result of a job with a single file is the source object itself, under any key that the
    catalogue gives. Every other location was written into the status by something that is not a
    runner, and must not be signed. A key with ``..`` must not be signed either, because stores
    that keep objects as files follow it out of the folder.
    """
    if _leads_elsewhere(key):
        return False
    if bucket == settings.archive_bucket and key.startswith(settings.archive_prefix):
        return is_below(key, archive_folder(settings, namespace, uid))
    return bucket == settings.source_bucket


def is_below(key: str, folder: str) -> bool:
    """Return whether ``key`` is below ``folder`` after any decoding by a store or proxy."""
    return key.startswith(folder) and not _leads_elsewhere(key)


def _leads_elsewhere(key: str) -> bool:
    for form in decoded_forms(key):
        segments = form.replace("\\", "/").split("/")
        if segments[0] == "" or any(segment in {".", ".."} for segment in segments):
            return True
    return False


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
