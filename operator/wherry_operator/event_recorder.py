"""Events of jobs and pools, for ``kubectl describe``. Best effort: they never delay a decision."""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import (
    AlreadyExistsError,
    KubernetesError,
    NotFoundError,
    RefusedError,
)
from wherry_core.kubernetes.paths import events_path
from wherry_core.resources.base import API_VERSION
from wherry_core.resources.names import OPERATOR_COMPONENT
from wherry_operator import metrics

logger = logging.getLogger(__name__)

QUEUE_LENGTH: Final = 1_000
SERIES_SECONDS: Final = 600.0
KEPT_SERIES: Final = 2_000
NOTE_LENGTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """One Event about an object, as `kubectl describe` shows it."""

    reason: str
    """One CamelCase word."""
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class Series:
    """An Event that was written, and how often it happened."""

    name: str
    count: int
    at: float


class EventRecorder:
    """Writes Events one after the other; an Event that occurs again only raises a count.

    When the API server cannot keep up, the oldest waiting Events are dropped.
    """

    def __init__(self, kubernetes: KubernetesClient, instance: str) -> None:
        self._kubernetes = kubernetes
        self._instance = instance[:128]
        self._waiting: asyncio.Queue[tuple[Regarding, Event]] = asyncio.Queue(QUEUE_LENGTH)
        self._series: OrderedDict[tuple[str, Event], Series] = OrderedDict()

    def record(self, regarding: Regarding, event: Event) -> None:
        """Have an Event written soon."""
        if self._waiting.full():
            self._waiting.get_nowait()
            metrics.FAULTS.labels(kind="event_dropped").inc()
        self._waiting.put_nowait((regarding, event))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            regarding, event = await self._waiting.get()
            try:
                await self._write(regarding, event)
            except KubernetesError as error:
                metrics.FAULTS.labels(kind="event").inc()
                logger.warning(
                    "could not write the Event %s: %s",
                    event.reason,
                    error,
                    extra={"job": f"{regarding.namespace}/{regarding.name}"},
                )

    async def record_once(self, name: str, regarding: Regarding, event: Event) -> bool:
        """Create an Event with this name now; return False when it exists.

        Raises KubernetesError. An Event that the API server refuses counts as created.
        """
        body = self._event(name, regarding, event, self._now())
        try:
            await self._kubernetes.request("POST", events_path(regarding.namespace), body=body)
        except AlreadyExistsError:
            return False
        except RefusedError as error:
            metrics.FAULTS.labels(kind="event").inc()
            logger.warning("could not write the Event %s: %s", event.reason, error)
        return True

    def _now(self) -> str:
        """Return the API server's time as ``metav1.MicroTime``."""
        return self._kubernetes.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    async def _write(self, regarding: Regarding, event: Event) -> None:
        key = (regarding.uid, event)
        now = self._now()
        series = self._series.get(key)
        if series is not None and time.monotonic() - series.at < SERIES_SECONDS:
            # The API server lets nothing else of an Event be changed.
            patch = {"series": {"count": series.count + 1, "lastObservedTime": now}}
            path = events_path(regarding.namespace, series.name)
            try:
                await self._kubernetes.patch(path, patch)
            except NotFoundError:
                del self._series[key]
            else:
                series.count += 1
                series.at = time.monotonic()
                return
        name = f"{regarding.name[:200]}.{time.time_ns():x}"
        await self._kubernetes.request(
            "POST",
            events_path(regarding.namespace),
            body=self._event(name, regarding, event, now),
        )
        self._series[key] = Series(name, 1, time.monotonic())
        self._series.move_to_end(key)
        while len(self._series) > KEPT_SERIES:
            self._series.popitem(last=False)

    def _event(self, name: str, regarding: Regarding, event: Event, now: str) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding.namespace},
            "eventTime": now,
            "reportingController": OPERATOR_COMPONENT,
            "reportingInstance": self._instance,
            "action": event.reason,
            "reason": event.reason,
            "type": "Warning" if event.warning else "Normal",
            "note": event.message[:NOTE_LENGTH],
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": regarding.kind,
                "namespace": regarding.namespace,
                "name": regarding.name,
                "uid": regarding.uid,
            },
        }
