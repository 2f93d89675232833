"""The watches: Kopf brings the events, and nothing else of Kopf is used.

The handlers only hand the object on. Kopf neither writes to objects for them (no finalizer, no
annotation) nor repeats them, so whatever they do must not fail.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import kopf
from kubernetes.aio.client import Configuration

from wherry_core.resources import GROUP, VERSION
from wherry_operator.intake.pod_view import POOL_LABEL

logger = logging.getLogger(__name__)

Take = Callable[[bool, dict[str, Any]], None]
"""Takes whether the object was deleted, and the object."""

WATCH_SECONDS: Final = 600
"""The server ends a watch after this time, and a new one goes on where it ended."""
PAGE: Final = 100
"""Objects in one answer of the first listing: a job may have 10,000 ids."""
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 60.0


class Forever:
    """Pauses between tries of a request, without end: a watch never gives up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 3.0


class NothingKept(kopf.DiffBaseStorage):
    """Keeps no last state on the objects, and spares the copy of each one for comparing."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return an empty essence: no handler compares."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return None: nothing was kept."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


def kopf_settings(silence_seconds: float) -> kopf.OperatorSettings:
    """Return the settings of a Kopf that only watches.

    A watch that brings nothing for ``silence_seconds``, not even a bookmark (there is one a
    minute), is given up: it hangs.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.inactivity_timeout = silence_seconds
    settings.watching.chunk_size = PAGE
    settings.watching.label_selectors["pods"] = POOL_LABEL
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = Forever()
    settings.queueing.idle_timeout = 0.05
    settings.persistence.diffbase_storage = NothingKept()
    return settings


def job_watch(configuration: Configuration, take: Take) -> kopf.OperatorRegistry:
    """Return a registry that watches DownloadJobs."""
    registry = kopf.OperatorRegistry()
    _log_in(registry, configuration)
    _watch(registry, (GROUP, VERSION, "downloadjobs"), "job", take)
    return registry


def pool_watch(
    configuration: Configuration, take_pool: Take, take_pod: Take
) -> kopf.OperatorRegistry:
    """Return a registry that watches RunnerPools and runner pods."""
    registry = kopf.OperatorRegistry()
    _log_in(registry, configuration)
    _watch(registry, (GROUP, VERSION, "runnerpools"), "pool", take_pool)
    _watch(registry, ("", "v1", "pods"), "pod", take_pod)
    return registry


def _watch(
    registry: kopf.OperatorRegistry, resource: tuple[str, str, str], name: str, take: Take
) -> None:
    @kopf.on.event(*resource, registry=registry, id=name)
    async def hand_on(event: Mapping[str, Any], **_: Any) -> None:
        take(event["type"] == "DELETED", event["object"])


def _log_in(registry: kopf.OperatorRegistry, configuration: Configuration) -> None:
    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        header = await configuration.get_api_key_with_prefix("BearerToken") or ""
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            ca_data=configuration.ca_cert_data,
            insecure=not configuration.verify_ssl,
            token=header.rpartition(" ")[2] or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            trust_env=True,
        )


class AskedToEndError(Exception):
    """Kopf took a signal that was meant for the process."""


async def run_watch(
    registry: kopf.OperatorRegistry,
    namespaces: tuple[str, ...] | None,
    settings: kopf.OperatorSettings,
    on_started: Callable[[], None],
) -> None:
    """Watch until cancelled.

    ``on_started`` is called once Kopf has set its signal handlers, so that the process can set
    its own ones again. Raises AskedToEndError when a signal came before that, and whatever Kopf
    gives up with.
    """
    where: dict[str, Any] = {"namespaces": namespaces} if namespaces else {"clusterwide": True}
    # Kopf would make one from the name of the user, and the image's user has none.
    where["identity"] = "wherry-operator"
    started = asyncio.Event()
    telling = asyncio.create_task(_tell_started(started, on_started))
    try:
        await kopf.operator(
            registry=registry,
            settings=settings,
            standalone=True,
            ready_flag=started,
            **where,
        )
    finally:
        telling.cancel()
    raise AskedToEndError


async def _tell_started(started: asyncio.Event, on_started: Callable[[], None]) -> None:
    await started.wait()
    on_started()
