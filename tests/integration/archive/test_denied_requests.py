"""A store that does not let the runner do everything: refused, counted, and never a wrong error."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from tests.integration.archive.conftest import Bench, store_settings
from tests.integration.archive.faulty_proxy import FaultyProxy, faulty_proxy
from tests.integration.archive.test_streaming import pattern
from wherry_core import object_store
from wherry_jobrunner.archive import ArchiveError
from wherry_jobrunner.archive.store import capability

MIB = 1 << 20
DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture
async def proxy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultyProxy]:
    """Put a proxy before the store; the bench's own client then goes through it."""
    # What is known of the store itself must not count for the store behind the proxy.
    monkeypatch.setattr(capability.CAPABILITIES, "_known", {})
    async with faulty_proxy(bench.store.endpoint) as running:
        bench.settings = store_settings(bench.store, bench.folder, endpoint=running.address)
        async with object_store.connect(bench.settings) as client:
            bench.client = client
            await bench.put("large", pattern(1, 12 * MIB))
            await bench.put("small", b"small")
            yield running


def unaborted() -> float:
    return REGISTRY.get_sample_value("wherry_runner_unaborted_uploads_total") or 0.0


async def test_without_the_right_to_list_parts_archives_are_streamed(
    bench: Bench, proxy: FaultyProxy
) -> None:
    async def deny(request: web.Request, _: FaultyProxy) -> web.StreamResponse | None:
        lists_parts = request.method == "GET" and "uploadId" in request.query
        return web.Response(status=403, text=DENIED) if lists_parts else None

    proxy.fault = deny
    result = await bench.bundle(["large", "small"])
    assert result.archive.size > 12 * MIB
    assert await bench.uploads() == []
    assert proxy.count("GET", "uploadId") >= 1


async def test_an_upload_that_may_not_be_aborted_is_reported_and_counted(
    bench: Bench, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    async def deny(request: web.Request, _: FaultyProxy) -> web.StreamResponse | None:
        aborts = request.method == "DELETE" and "uploadId" in request.query
        return web.Response(status=403, text=DENIED) if aborts else None

    proxy.fault = deny
    before = unaborted()
    await bench.bundle(["large", "small"])
    # The probe's upload, under the job's own folder, where the operator removes it with the job.
    assert await bench.uploads() == [f"archives/team-a/{bench.uid}/1/photos.zip.probe"]
    assert unaborted() == before + 1
    messages = [r.getMessage() for r in caplog.records if "was not aborted" in r.getMessage()]
    assert len(messages) == 1
    assert "does not let the runner abort" in messages[0]
    # The probe is not repeated for the next job.
    await bench.bundle(["large", "small"], attempt=2)
    assert unaborted() == before + 1


async def test_an_error_of_the_archive_is_not_hidden_by_a_denied_abort(
    bench: Bench, proxy: FaultyProxy
) -> None:
    async def deny(request: web.Request, _: FaultyProxy) -> web.StreamResponse | None:
        aborts = request.method == "DELETE" and "uploadId" in request.query
        reads = request.method == "GET" and "/files/" in request.path
        return web.Response(status=403, text=DENIED) if aborts or reads else None

    proxy.fault = deny
    with pytest.raises(ArchiveError) as failed:
        await bench.bundle(["large", "small"])
    assert failed.value.reason == "StoreAccessDenied"
    assert "read the object" in failed.value.message
