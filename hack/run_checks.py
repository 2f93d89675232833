"""Run the project's checks in order, with the time that each takes.

Run: python3 hack/run_checks.py [CHECK ...]; without a name, all. Needs only Python 3.11:
the checks before ``lint`` install what the others need.
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
    """One step of the checks."""

    name: str
    commands: tuple[list[str], ...]
    on_failure: str
    """What a person does about it."""


CHECKS = (
    Check("venv", (["hack/make_venv.sh"],), "read the message above; Python 3.11+ is needed"),
    Check(
        "lint",
        ([PYTHON, "-m", "ruff", "check"], [PYTHON, "-m", "ruff", "format", "--check"]),
        "run: make format",
    ),
    Check("types", ([PYTHON, "-m", "mypy"],), "mend the types that mypy names"),
    Check(
        "layers",
        ([".venv/bin/lint-imports"],),
        "core imports no component, and components never import each other",
    ),
    Check(
        "generated",
        (
            [PYTHON, "hack/generate_crds.py", "--check"],
            [PYTHON, "hack/generate_dashboard.py", "--check"],
            [PYTHON, "hack/generate_chart.py", "--check", "--without-helm"],
            [PYTHON, "hack/generate_settings_page.py", "--check"],
        ),
        "run: make generate",
    ),
    Check(
        "packages",
        ([*LOCALCLUSTER, "packages", "--set", "tests"],),
        "install the named packages by hand",
    ),
    Check(
        "unit",
        ([*PYTEST, "-n", "2", "tests/unit", "--ignore", "tests/unit/chart"],),
        "run one test: pytest tests/unit -k NAME",
    ),
    Check(
        "web",
        (["npm", "--prefix", "web", "ci", "--silent"], ["npm", "--prefix", "web", "test"]),
        "go on in web/ with: npm test",
    ),
    Check(
        "supply-chain",
        ([PYTHON, "-m", "supply_chain"],),
        "take another version of what is named, or say in hack/supply_chain why it may stay",
    ),
    Check(
        "assets",
        ([*LOCALCLUSTER, "assets"],),
        "read the end of the build log named above; run it again, it goes on where it stopped",
    ),
    Check("chart", ([*PYTEST, "-n", "2", "tests/unit/chart"],), "render it: helm template"),
    Check(
        "integration",
        ([*PYTEST, "-n", "3", "--dist", "loadfile", "tests/integration"],),
        "logs of the servers lie in the folder that pytest names",
    ),
    Check(
        "chaos",
        # One schedule for all: `make chaos` looks for what a new one finds.
        ([*PYTEST, "tests/chaos", "--seed", "113982"],),
        "logs of the servers lie in the folder that pytest names; see docs/faults.md",
    ),
    Check(
        "browser",
        ([*PYTEST, "tests/browser"],),
        "pictures and logs lie in the folder that pytest names",
    ),
    Check(
        "e2e",
        ([*PYTEST, "--timeout", "1800", "tests/e2e"],),
        "look with: make up, then kubectl get pods -A",
    ),
)


def run(check: Check) -> int:
    """Run one check; return its exit status."""
    # The environment's own Node comes first, so that everybody runs the locked one.
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
        "checks", nargs="*", metavar="CHECK", help=f"of: {' '.join(check.name for check in CHECKS)}"
    )
    names = parser.parse_args().checks
    all_names = [check.name for check in CHECKS]
    if unknown := set(names) - set(all_names):
        parser.error(
            f"there is no check {', '.join(sorted(unknown))}; there are: {' '.join(all_names)}"
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
    print(f"\nall of {len(chosen)} checks passed in {time.monotonic() - started:.0f}s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
