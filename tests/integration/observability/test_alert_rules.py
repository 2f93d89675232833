"""promtool checks the alerts: they are well-formed and fire when they should."""

import subprocess
from pathlib import Path

import yaml

from tests.integration.observability.prometheus import ALERTS

CASES = Path(__file__).with_name("alerts_test.yaml")


def promtool(*words: str | Path) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed() -> None:
    promtool("check", "rules", "--lint-fatal", ALERTS)


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", CASES)


def test_every_alert_is_seen_to_fire() -> None:
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    fired = {
        each["alertname"]
        for case in cases
        for each in case["alert_rule_test"]
        if each.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in rules}
