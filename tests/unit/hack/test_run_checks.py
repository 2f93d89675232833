"""``hack/run_checks.py``: the commands that it prints after a failure work as typed."""

import os
import re
import shlex
import subprocess

import pytest

import run_checks

PYTEST_COMMANDS = [
    found[1]
    for check in run_checks.CHECKS
    if (found := re.search(r"(\S*python -m pytest .*)$", check.on_failure))
]


def test_the_unit_checks_name_a_command() -> None:
    assert len(PYTEST_COMMANDS) == 2


@pytest.mark.parametrize("command", PYTEST_COMMANDS)
def test_the_command_for_one_test_works_in_a_new_shell(command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program, dash_m, pytest_, folder, *rest = shlex.split(command)
    assert (run_checks.ROOT / folder).is_dir()
    # This folder alone: collecting all unit tests takes longer than the rest of the suite.
    words = [program, dash_m, pytest_, "tests/unit/hack/test_run_checks.py", *rest]
    words[words.index("NAME")] = "name_a_command"
    done = subprocess.run(
        words, cwd=run_checks.ROOT, env=environment, capture_output=True, text=True
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
