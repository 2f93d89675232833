"""Only the admin chooses the catalogue, and its answers cannot lead outside the source bucket."""

import asyncio
import gzip
import uuid

import orjson
import pytest
from aiohttp import web

from tests.harness.buckets import Bucket
from tests.integration.archive.faulty_proxy import faulty_proxy
from tests.integration.security.catalogue_server import CatalogueServer, catalogue_of
from wherry_core import object_store
from wherry_core.resources import DownloadJobSpec, OnMissing
from wherry_jobrunner.archive import ArchiveError, ArchiveRequest, ArchiveSettings, bundle

TOKEN = "catalogue-secret"


async def make_archive(bucket: Bucket, catalogue: CatalogueServer) -> list[str]:
    """Bundle two files through the catalogue; return the requests to the store."""
    request = ArchiveRequest(
        namespace="team-a",
        uid=str(uuid.uuid4()),
        attempt=1,
        file_ids=("1", "2"),
        archive_name="x.zip",
        on_missing=OnMissing.MANIFEST,
        job="team-a/job",
    )
    tuning = ArchiveSettings.model_validate(
        {
            "WHERRY_CATALOGUE_URL": catalogue.url,
            "WHERRY_CATALOGUE_TOKEN": TOKEN,
            "WHERRY_ARCHIVE_REQUEST_ATTEMPTS": 1,
        }
    )
    async with faulty_proxy(bucket.store.endpoint) as store:
        settings = bucket.settings.model_copy(update={"endpoint_url": store.address})
        async with object_store.connect(settings) as client:
            try:
                await bundle(
                    request, client, settings, report=lambda _: None, archive_settings=tuning
                )
            finally:
                # Only the two buckets of the settings were requested.
                assert all(f" /{bucket.name}/" in line for line in store.seen), store.seen
        return store.seen


async def test_the_catalogue_hears_whose_job_asks(in_store: Bucket) -> None:
    await in_store.put_files({"1": b"one", "2": b"two"})
    asked: list[dict[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.Response(body=files())

    async with catalogue_of(answer) as catalogue:
        await make_archive(in_store, catalogue)
    assert asked == [{"tenant": "team-a", "ids": ["1", "2"]}]


async def test_a_template_with_the_tenant_keeps_tenants_apart(in_store: Bucket) -> None:
    settings = in_store.settings.model_copy(update={"source_key_template": "files/{tenant}/{id}"})
    await in_store.put_files({"team-a/1": b"ours", "team-b/1": b"theirs", "team-b/2": b"theirs"})
    async with object_store.connect(settings) as client:
        for tenant, ids, found in (
            ("team-a", ("1",), "files/team-a/1"),
            ("team-b", ("1",), "files/team-b/1"),
            ("team-a", ("2",), None),
            ("team-a", ("team-b/2",), None),
            ("team-a", ("../team-b/2",), None),
        ):
            request = ArchiveRequest(
                namespace=tenant,
                uid=str(uuid.uuid4()),
                attempt=1,
                file_ids=ids,
                archive_name="x.zip",
                on_missing=OnMissing.FAIL,
                job=f"{tenant}/job",
            )
            if found is None:
                with pytest.raises(ArchiveError) as refused:
                    await bundle(request, client, settings, report=lambda _: None)
                assert refused.value.reason in {"FilesNotFound", "InvalidFileId"}
            else:
                result = await bundle(request, client, settings, report=lambda _: None)
                assert result.archive.key == found


def files(**fields: object) -> bytes:
    return orjson.dumps({"files": [{"id": "1", "key": "files/1", **fields}]})


async def test_other_buckets_and_hosts_in_an_answer_count_for_nothing(in_store: Bucket) -> None:
    await in_store.put_files({"1": b"one", "2": b"two"})
    elsewhere = {
        "bucket": "other",
        "endpoint": "http://127.0.0.1:1",
        "url": "http://169.254.169.254/latest",
        "region": "mars",
        "size": -1,
    }

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=files(**elsewhere))

    async with catalogue_of(answer) as catalogue:
        seen = await make_archive(in_store, catalogue)
    assert any("/files/1" in line for line in seen)
    [asked] = catalogue.asked
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "key",
    [
        "../other/1",
        "/etc/passwd",
        "files/%2e%2e/%2e%2e/other/1",
        "files\\..\\..\\other",
        "s3://other/1",
        "http://169.254.169.254/latest",
        "archives/team-b/5f0c/1/theirs.zip",
        "files/1\r\nHost: elsewhere",
        "files/\x00",
    ],
)
async def test_a_key_that_leads_elsewhere_fails_the_attempt(in_store: Bucket, key: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=files(key=key))

    async with catalogue_of(answer) as catalogue:
        with pytest.raises(ArchiveError) as refused:
            await make_archive(in_store, catalogue)
    assert refused.value.reason == "CatalogueAnswerInvalid"
    assert TOKEN not in refused.value.message
    assert catalogue.url not in refused.value.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(in_store: Bucket, status: int) -> None:
    async def fine(request: web.Request) -> web.Response:
        return web.Response(body=files())

    async with catalogue_of(fine) as inner:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": inner.url})

        async with catalogue_of(away) as catalogue:
            with pytest.raises(ArchiveError) as refused:
                await make_archive(in_store, catalogue)
    assert refused.value.reason == "CatalogueAnswerInvalid"
    assert not inner.asked


async def test_an_answer_without_end_is_cut(in_store: Bucket) -> None:
    cut = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            cut.set()
            raise

    async with catalogue_of(endless) as catalogue:
        with pytest.raises(ArchiveError, match="more than 16384 bytes"):
            await make_archive(in_store, catalogue)
        await cut.wait()


async def test_a_small_answer_that_unpacks_to_much_is_cut(in_store: Bucket) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with catalogue_of(answer) as catalogue:
        with pytest.raises(ArchiveError, match="more than 16384 bytes"):
            await make_archive(in_store, catalogue)


async def test_no_id_names_an_archive_where_the_template_is_as_wide_as_the_bucket(
    in_store: Bucket,
) -> None:
    theirs = "archives/team-b/5f0c/1/theirs.zip"
    await in_store.put_files({"1": b"one"})
    settings = in_store.settings.model_copy(update={"source_key_template": "{id}"})
    async with object_store.connect(settings) as client:
        await client.put_object(Bucket=in_store.name, Key=theirs, Body=b"theirs")
        for ids in (("files/1", theirs), (theirs,)):
            request = ArchiveRequest(
                namespace="team-a",
                uid=str(uuid.uuid4()),
                attempt=1,
                file_ids=ids,
                archive_name="x.zip",
                on_missing=OnMissing.MANIFEST,
                job="team-a/job",
            )
            with pytest.raises(ArchiveError, match="among the archives") as refused:
                await bundle(request, client, settings, report=lambda _: None)
            assert refused.value.reason == "InvalidFileId"


def test_a_job_has_no_field_that_could_name_a_place() -> None:
    """A new field of the spec must be considered in this file."""
    assert set(DownloadJobSpec.model_fields) == {
        "file_ids",
        "archive_name",
        "on_missing",
        "pool",
        "priority",
        "backoff_limit",
        "active_deadline_seconds",
        "queue_timeout_seconds",
        "ttl_seconds_after_finished",
        "suspend",
        "cancel",
    }
