"""The Kopf handlers, in the order in which they run: startup, login, and the three kinds.

Kopf watches, and nothing else. The handlers are plain ``@kopf.on.event`` handlers that pass the
object on to the intake, so Kopf writes nothing: no finalizer, no annotation, no Event. That keeps
a finished job at six requests to the API server, and deciding apart from watching lets a decision
be repeated without an event. They never raise, because Kopf does not repeat event handlers.

There are two registries, because a Kopf operator watches every kind of its registry in each of
its namespaces: jobs are watched in the tenants' namespaces, pools and pods only in the release's
own, so that the operator needs no right to see pods anywhere else.

There is no cleanup handler, because Kopf has nothing to clean up. Signals are handled here and not
by Kopf, which waits up to five seconds for tasks that are not its own.

Kopf's ``liveness_endpoint`` is not used: it has one path, answers 200 whatever its probes return,
and would need a port of its own. :mod:`wherry_operator.probes` serves liveness, readiness (which
Kopf does not know) and metrics on one port.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import kopf

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError
from wherry_core.resources.base import API_VERSION, GROUP, VERSION
from wherry_core.resources.download_job import DOWNLOAD_JOBS
from wherry_core.resources.names import POOL_LABEL
from wherry_core.resources.runner_pool import RUNNER_POOLS
from wherry_operator.intake.cache import Kind
from wherry_operator.intake.ingest import ClusterIntake

logger = logging.getLogger(__name__)

JOBS: Final = kopf.OperatorRegistry()
"""Handlers for the namespaces of the tenants."""
RUNNERS: Final = kopf.OperatorRegistry()
"""Handlers for the namespace of the release."""

WATCH_SECONDS: Final = 600
"""The API server ends a watch after this time, and a new one continues where it ended."""
LIST_PAGE: Final = 100
"""Objects in one answer of the first listing: a job may have 10,000 ids."""
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 60.0
DISCOVERY_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Watched:
    """What the handlers work with; Kopf passes it as ``memo``."""

    kubernetes: KubernetesClient
    intake: ClusterIntake
    silence_seconds: float
    """Seconds after which a watch that brings nothing, not even a bookmark, is restarted."""
    end: Callable[[], None]
    """Ends the operator."""

    def __copy__(self) -> Self:
        # Kopf keeps a copy for each object.
        return self


@kopf.on.startup(registry=JOBS)
@kopf.on.startup(registry=RUNNERS)
async def configure(settings: kopf.OperatorSettings, memo: Watched, **_: Any) -> None:
    """Restrict Kopf to watching."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NothingKept()
    # Kopf would kill the process ten minutes after a failed run, although the next run is fine.
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.inactivity_timeout = memo.silence_seconds
    settings.watching.chunk_size = LIST_PAGE
    settings.watching.label_selectors["pods"] = POOL_LABEL
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = Forever()
    settings.queueing.idle_timeout = 0.05


@kopf.on.login(registry=JOBS)
@kopf.on.login(registry=RUNNERS)
async def log_in(memo: Watched, **_: Any) -> kopf.ConnectionInfo:
    """Give Kopf the credentials of the operator's own client, read again after a refusal."""
    await memo.kubernetes.refresh_credentials()
    configuration = memo.kubernetes.configuration
    header = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
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


@kopf.on.event(GROUP, VERSION, DOWNLOAD_JOBS, registry=JOBS)
async def job_event(event: Mapping[str, Any], memo: Watched, **_: Any) -> None:
    """Ingest a job."""
    memo.intake.ingest(Kind.JOB, event["object"], deleted=event["type"] == "DELETED")


@kopf.on.event(GROUP, VERSION, RUNNER_POOLS, registry=RUNNERS)
async def pool_event(event: Mapping[str, Any], memo: Watched, **_: Any) -> None:
    """Ingest a pool."""
    memo.intake.ingest(Kind.POOL, event["object"], deleted=event["type"] == "DELETED")


@kopf.on.event("", "v1", "pods", registry=RUNNERS)
async def pod_event(event: Mapping[str, Any], memo: Watched, **_: Any) -> None:
    """Ingest a runner pod."""
    memo.intake.ingest(Kind.POD, event["object"], deleted=event["type"] == "DELETED")


async def run(
    registry: kopf.OperatorRegistry, namespaces: tuple[str, ...] | None, watched: Watched
) -> None:
    """Watch until cancelled; ``namespaces`` None stands for all.

    Raises what Kopf gives up with.
    """
    # Not in the startup handler, because Kopf takes five seconds to stop while that runs.
    await wait_until_served(watched.kubernetes)
    where: dict[str, Any] = {"namespaces": namespaces} if namespaces else {"clusterwide": True}
    # Kopf would make one from the name of the user, which the image's user does not have.
    where["identity"] = "wherry-operator"
    started = asyncio.Event()
    signals = asyncio.create_task(_take_signals(started, watched.end), name="signals")
    try:
        await kopf.operator(
            registry=registry, memo=watched, standalone=True, ready_flag=started, **where
        )
    finally:
        signals.cancel()
        # Kopf leaves its signal handlers behind, and they would do nothing any more.
        end_on_signals(watched.end)
    # Kopf returns, instead of raising, when it has handled a signal itself.
    watched.end()


async def _take_signals(started: asyncio.Event, end: Callable[[], None]) -> None:
    """Handle signals again once Kopf has started, which handles them itself from then on.

    Kopf would wait up to five seconds for tasks that are not its own.
    """
    await started.wait()
    end_on_signals(end)


def end_on_signals(end: Callable[[], None]) -> None:
    """Have SIGTERM and SIGINT call ``end``."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)


async def wait_until_served(kubernetes: KubernetesClient) -> None:
    """Wait until discovery lists the kinds that are watched.

    An API server that has just started, or a cluster whose CustomResourceDefinitions are just
    being installed, lists them later. Kopf asks only once, and never watches what it misses.
    """
    while not await _is_served(kubernetes):
        logger.warning("the API server does not serve Wherry's resources yet")
        await asyncio.sleep(DISCOVERY_SECONDS)


async def _is_served(kubernetes: KubernetesClient) -> bool:
    try:
        groups = await kubernetes.request("GET", "/apis")
        resources = await kubernetes.request("GET", f"/apis/{API_VERSION}")
    except KubernetesError:
        return False
    names = {each["name"] for each in resources["resources"]}
    return names >= {DOWNLOAD_JOBS, RUNNER_POOLS} and any(
        each["name"] == GROUP for each in groups["groups"]
    )


class Forever:
    """Endless pauses between retries: a watch is never given up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 3.0


class NothingKept(kopf.DiffBaseStorage):
    """Stores no last-handled state on objects, and saves a copy of each for comparison."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return an empty essence: no handler compares."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return None: nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""
