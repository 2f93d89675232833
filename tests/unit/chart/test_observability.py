"""The chart's alerts and dashboard, and their documentation."""

import json
import re
from pathlib import Path

import yaml

from tests.unit.chart.renders import (
    CHART,
    OTHER_KINDS,
    ROOT,
    VARIANTS,
    container,
    find,
    pod_templates,
    render,
)

ALERTS = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def test_alerts_select_only_the_release_s_namespace() -> None:
    rule = find(render(OTHER_KINDS), "PrometheusRule", "wherry")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (group,) = rule["spec"]["groups"]
    assert [each["alert"] for each in group["rules"]] == [each["alert"] for each in RULES]
    for rendered, source in zip(group["rules"], RULES, strict=True):
        selectors = re.findall(r'namespace=~?"[^"]*"', rendered["expr"])
        assert set(selectors) == {'namespace="wherry"'}
        # A metric without a selector would include other releases.
        assert len(selectors) == len(re.findall(r"wherry_\w+\{", rendered["expr"]))
        assert len(selectors) == len(re.findall(r"wherry_\w+", rendered["expr"]))
        name = rendered["alert"]
        page = f"https://docs.example.com/alerts/{name}.md"
        assert rendered["annotations"] == source["annotations"] | {"runbook_url": page}
        assert rendered.get("for") == source.get("for")


def test_alerts_and_runbooks_match() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "alerts").glob("Wherry*.md")}
    assert pages == {rule["alert"] for rule in RULES}
    index = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for rule in RULES:
        path = Path(rule["annotations"]["runbook_url"])
        assert path == Path("docs/alerts") / f"{rule['alert']}.md"
        text = (ROOT / path).read_text(encoding="utf-8")
        assert text.startswith(f"# {rule['alert']}\n")
        assert f"alerts/{rule['alert']}.md" in index
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_the_dashboard_is_included_unchanged() -> None:
    config_map = find(render(VARIANTS["grafana dashboard"]), "ConfigMap", "wherry-dashboard")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config_map["metadata"]["annotations"] == {"grafana_folder": "Wherry"}
    source = (CHART / "files" / "dashboard.json").read_text(encoding="utf-8")
    assert json.loads(config_map["data"]["wherry.json"]) == json.loads(source)


def test_all_three_programs_export_traces_or_none() -> None:
    for values, expected in ((VARIANTS["tracing"], {"http://collector.tracing:4318"}), ({}, set())):
        for name, template in pod_templates(render(values)):
            program = name.removeprefix("wherry-")
            if program not in {"api", "operator", "runner"}:
                continue
            found = {
                each["value"]
                for each in container(template, program)["env"]
                if each["name"].startswith("OTEL_")
            }
            assert found == expected
