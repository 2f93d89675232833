"""Run the project's checks in order and print how long each takes.

Run: python3 hack/run_checks.py [CHECK ...]. Without a name it runs all of them. Needs only Python
3.11: the check ``venv`` installs the packages for the others.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ".venv/bin/python"
PYTEST = [PYTHON, "-m", "pytest", "-q"]
LOCALCLUSTER = ["python3", "-m", "localcluster"]


@dataclass(frozen=True)
class Check:
    """One check: commands that must all succeed."""

    name: str
    commands: tuple[list[str], ...]
    on_failure: str
    """What to do when a command fails. Commands in it work as typed, in the repository's root."""


CHECKS = (
    Check(
        "venv",
        (["hack/make_venv.sh"],),
        "Read the message above. Python 3.11 or newer is required.",
    ),
    Check(
        "lint",
        ([PYTHON, "-m", "ruff", "check"], [PYTHON, "-m", "ruff", "format", "--check"]),
        "Run: make format",
    ),
    Check("types", ([PYTHON, "-m", "mypy"],), "Fix the types that mypy names above."),
    Check(
        "layers",
        ([".venv/bin/lint-imports"],),
        "Remove the import named above: core imports no component, and components do not import "
        "each other.",
    ),
    Check(
        "generated",
        (
            [PYTHON, "hack/generate_crds.py", "--check"],
            [PYTHON, "hack/generate_dashboard.py", "--check"],
            [PYTHON, "hack/generate_chart.py", "--check", "--without-helm"],
            [PYTHON, "hack/generate_settings_page.py", "--check"],
        ),
        "Run: make generate",
    ),
    Check(
        "packages",
        ([*LOCALCLUSTER, "packages", "--set", "tests"],),
        "Install the packages named above by hand.",
    ),
    Check(
        "unit",
        ([*PYTEST, "-n", "2", "tests/unit", "--ignore", "tests/unit/chart"],),
        "Run one test: .venv/bin/python -m pytest tests/unit -k NAME",
    ),
    Check(
        "web",
        (["npm", "--prefix", "web", "ci", "--silent"], ["npm", "--prefix", "web", "test"]),
        "Run them again: npm --prefix web test",
    ),
    Check(
        "supply-chain",
        ([PYTHON, "-m", "supply_chain"],),
        "Use another version of the package named above, or allow it in hack/supply_chain with a "
        "reason.",
    ),
    Check(
        "assets",
        ([*LOCALCLUSTER, "assets"],),
        "Read the end of the build log named above. Another run continues where this one stopped.",
    ),
    Check(
        "chart",
        ([*PYTEST, "-n", "2", "tests/unit/chart"],),
        "Run one test: .venv/bin/python -m pytest tests/unit/chart -k NAME",
    ),
    Check(
        "integration",
        ([*PYTEST, "-n", "3", "--dist", "loadfile", "tests/integration"],),
        "The logs of the servers are in the folder that pytest names above.",
    ),
    Check(
        "chaos",
        # A fixed schedule, so that the check is repeatable; `make chaos` tries new ones.
        ([*PYTEST, "tests/chaos", "--seed", "113982"],),
        "The logs of the servers are in the folder that pytest names above; see docs/faults.md.",
    ),
    Check(
        "browser",
        ([*PYTEST, "tests/browser"],),
        "The logs of the servers are in the folder that pytest names above.",
    ),
    Check(
        "e2e",
        ([*PYTEST, "--timeout", "1800", "tests/e2e"],),
        "Read the state of the pods above. For a cluster to look at: make up",
    ),
)


def run(check: Check) -> int:
    """Run one check; return its exit status."""
    # The Node in .venv comes first, so that every machine runs the locked version.
    programs = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PYTHONPATH": "hack", "PATH": programs}
    for command in check.commands:
        finished = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if finished.returncode != 0:
            return finished.returncode
    return 0


def main() -> int:
    """Run the chosen checks until one fails; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "checks",
        nargs="*",
        metavar="CHECK",
        help=f"one of: {' '.join(check.name for check in CHECKS)}",
    )
    names = parser.parse_args().checks
    all_names = [check.name for check in CHECKS]
    if unknown := set(names) - set(all_names):
        parser.error(
            f"there is no check {', '.join(sorted(unknown))}. Use one of: {' '.join(all_names)}"
        )
    wanted = names or all_names
    chosen = [check for check in CHECKS if check.name in wanted or check.name == "venv"]
    started = time.monotonic()
    for number, check in enumerate(chosen, 1):
        elapsed = time.monotonic() - started
        print(f"\n[{elapsed:6.1f}s] {number}/{len(chosen)} {check.name}", flush=True)
        before = time.monotonic()
        if status := run(check):
            print(f"\n{check.name} FAILED (exit status {status}): {check.on_failure}", flush=True)
            return 1
        print(
            f"[{time.monotonic() - started:6.1f}s] {check.name} passed in "
            f"{time.monotonic() - before:.1f}s",
            flush=True,
        )
    print(f"\nall {len(chosen)} checks passed in {time.monotonic() - started:.0f}s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
