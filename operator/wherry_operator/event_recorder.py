"""Events of jobs and pools, for ``kubectl describe``. Best effort: they never delay a decision."""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from wherry_core.resources.base import API_VERSION
from wherry_operator import metrics
from wherry_operator.kubernetes_api import (
    MERGE_PATCH,
    KubernetesApi,
    KubernetesError,
    NotFoundError,
    events_path,
)

logger = logging.getLogger(__name__)

COMPONENT: Final = "wherry.dev/operator"
WAITING: Final = 1_000
SERIES_SECONDS: Final = 600.0
REMEMBERED: Final = 2_000
NOTE_LENGTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an object, for a person who describes it."""

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
    """Writes Events one after the other; the same one again only raises a count.

    When the API server cannot follow, the oldest waiting Events are dropped: they are a comfort.
    """

    def __init__(self, api: KubernetesApi, instance: str) -> None:
        self._api = api
        self._instance = instance[:128]
        self._waiting: asyncio.Queue[tuple[Regarding, Event]] = asyncio.Queue(WAITING)
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

    async def _write(self, regarding: Regarding, event: Event) -> None:
        key = (regarding.uid, event)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        series = self._series.get(key)
        if series is not None and time.monotonic() - series.at < SERIES_SECONDS:
            # Nothing else of an Event may be changed: another note is another Event.
            patch = {"series": {"count": series.count + 1, "lastObservedTime": now}}
            path = events_path(regarding.namespace, series.name)
            try:
                await self._api.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
            except NotFoundError:
                del self._series[key]
            else:
                series.count += 1
                series.at = time.monotonic()
                return
        name = f"{regarding.name[:200]}.{time.time_ns():x}"
        await self._api.request(
            "POST",
            events_path(regarding.namespace),
            body=self._event(name, regarding, event, now),
        )
        self._series[key] = Series(name, 1, time.monotonic())
        self._series.move_to_end(key)
        while len(self._series) > REMEMBERED:
            self._series.popitem(last=False)

    def _event(self, name: str, regarding: Regarding, event: Event, now: str) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding.namespace},
            "eventTime": now,
            "reportingController": COMPONENT,
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
