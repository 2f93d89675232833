"""The dashboard against Grafana's own schema, read strictly by Grafana's own library.

Grafana is not available from a package registry; this is the schema that it is built from.
"""

import copy
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from localcluster import golang
from tests.integration.observability.prometheus import FILES

MODULE: Final = Path(__file__).resolve().parent / "grafana_schema"
DASHBOARD: Final = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))
BUILD_SECONDS: Final = 600

Dashboard = dict[str, Any]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that reads a dashboard strictly; it is built if necessary."""
    program = tmp_path_factory.mktemp("schema") / "read_dashboard"
    done = subprocess.run(
        [str(golang.go()), "build", "-o", str(program), "."],
        cwd=MODULE,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return program


def complaints(reader: Path, folder: Path, dashboard: Dashboard) -> str:
    """Return the errors of a dashboard according to the schema."""
    path = folder / "dashboard.json"
    path.write_text(json.dumps(dashboard), encoding="utf-8")
    done = subprocess.run(
        [str(reader), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode == 0:
        assert done.stdout == f"{len(dashboard['panels'])} panels and rows\n"
    return done.stderr


@pytest.mark.timeout(BUILD_SECONDS + 60)
def test_the_dashboard_has_nothing_that_grafana_does_not_know(reader: Path, tmp_path: Path) -> None:
    assert complaints(reader, tmp_path, DASHBOARD) == ""


def first(dashboard: Dashboard, kind: str) -> Dashboard:
    """Return the first panel of a type."""
    found: Dashboard = next(each for each in dashboard["panels"] if each["type"] == kind)
    return found


@pytest.mark.timeout(BUILD_SECONDS + 60)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda it: it.update(odd=1), "Dashboard: unexpected field 'odd'"),
        (lambda it: it.pop("annotations"), "annotations: required field is missing"),
        (lambda it: first(it, "row").update(odd=1), "RowPanel: unexpected field 'odd'"),
        (lambda it: first(it, "stat")["options"].update(odd=1), "Options: unexpected field 'odd'"),
        (
            lambda it: first(it, "timeseries")["fieldConfig"]["defaults"]["custom"].update(odd=1),
            "GraphFieldConfig: unexpected field 'odd'",
        ),
        (
            lambda it: first(it, "timeseries")["targets"][0].update(odd=1),
            "Dataquery: unexpected field 'odd'",
        ),
        (
            lambda it: first(it, "timeseries")["targets"][0].update(expr=1),
            "cannot unmarshal number",
        ),
        (lambda it: it["templating"]["list"][0].update(odd=1), "VariableModel: unexpected field"),
    ],
)
def test_the_schema_is_strict(
    reader: Path, tmp_path: Path, spoil: Callable[[Dashboard], Any], said: str
) -> None:
    """Shows that the test above can fail."""
    dashboard = copy.deepcopy(DASHBOARD)
    spoil(dashboard)
    assert said in complaints(reader, tmp_path, dashboard)


def test_every_panel_is_of_a_type_that_grafana_has() -> None:
    """Checks what the schema does not cover; tests/unit/hack/test_dashboard.py checks the grid."""
    assert {each["type"] for each in DASHBOARD["panels"]} == {"row", "stat", "timeseries"}
