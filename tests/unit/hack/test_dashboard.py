"""The Grafana dashboard: its layout, and queries for metrics that exist."""

import importlib
import json
import re
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

import generate_dashboard
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.redis import client as redis_client
from wherry_core.redis.link import RedisLink
from wherry_core.settings import RedisSettings
from wherry_operator.cluster_metrics import ClusterMetrics, PoolFigures
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.leadership import Leadership
from wherry_operator.repair.queue_index import QueueIndex

DASHBOARD: dict[str, Any] = json.loads(generate_dashboard.DASHBOARD.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]


def test_the_file_is_up_to_date() -> None:
    assert generate_dashboard.DASHBOARD.read_text(encoding="utf-8") == generate_dashboard.rendered()


def test_panels_do_not_overlap_and_have_unique_ids() -> None:
    numbers = [panel["id"] for panel in PANELS]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", GRAPHS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_description_and_uses_known_variables(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    known = {each["name"] for each in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    assert panel["datasource"]["uid"] == "${datasource}"
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert set(re.findall(r"\$\{?(\w+)", target["expr"])) <= known


class NoPools:
    """Pools without figures: the names of their gauges are exported without a pool, too."""

    def figures(self) -> dict[str, PoolFigures]:
        """Return nothing."""
        return {}


def names_of_metrics() -> set[str]:
    """Return every name that the three programs export, without the parts of histograms."""
    for program in ("wherry_api", "wherry_operator", "wherry_jobrunner"):
        importlib.import_module(f"{program}.metrics")
    importlib.import_module("wherry_core.kubernetes.metrics")
    # A replica that does not lead exports one gauge only.
    leadership = Leadership(None)
    leadership.synced.set()
    # Never connected to: a client sends nothing before its first command.
    index = QueueIndex(RedisLink(redis_client.connect(RedisSettings())), state_ttl_seconds=60)
    registry = CollectorRegistry()
    registry.register(ClusterMetrics(ClusterCache(), index, leadership, NoPools(), ServerClock()))
    names = set()
    for source in (REGISTRY, registry):
        for metric in source.collect():
            names.add(f"{metric.name}_total" if metric.type == "counter" else metric.name)
    return names


def test_every_queried_metric_exists() -> None:
    names = names_of_metrics()
    for panel in GRAPHS:
        for target in panel["targets"]:
            for queried in re.findall(r"\b(?:wherry|process)_\w+", target["expr"]):
                assert queried.removesuffix("_bucket") in names, queried


def test_names_follow_the_conventions() -> None:
    for name in names_of_metrics():
        if not name.startswith("wherry_"):
            continue
        assert re.fullmatch(r"[a-z][a-z0-9_]+", name)
        if re.search("duration|age|time", name):
            assert name.endswith("_seconds"), name
        assert not re.search(r"_(ms|millis|kb|mb|pct|percent)\b", name)


def test_no_metric_is_labelled_by_job() -> None:
    labels = {
        label
        for collector in list(REGISTRY._collector_to_names)
        for label in getattr(collector, "_labelnames", ())
    }
    assert not labels & {"job", "job_id", "name", "uid", "namespace", "runner", "attempt"}
