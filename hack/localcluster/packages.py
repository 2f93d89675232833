"""Install missing Debian packages without starting their services."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localcluster import paths, say, shell
from localcluster.heartbeat import heartbeat

# Packages for the control plane, Redis and the store (tests, FAST=1).
SERVICES = ("ca-certificates", "openssl", "redis-server", "unzip")
# Packages for a complete node and for building the image.
NODE = (
    *SERVICES,
    "buildah",
    "conntrack",
    "containernetworking-plugins",
    "debootstrap",
    "iproute2",
    "iptables",
    "runc",
)
# Packages for all tests: other archive readers, a proxy, a browser, Prometheus, and a compiler for
# tests/harness/wrong_clock.c.
TESTS = (
    *NODE,
    "chromium",
    "default-jdk-headless",
    "gcc",
    "libarchive-tools",
    "libc6-dev",
    "nginx",
    "p7zip-full",
    "prometheus",
)
SETS = {"services": SERVICES, "node": NODE, "tests": TESTS}

_POLICY = Path("/usr/sbin/policy-rc.d")
_LISTS = Path("/var/lib/apt/lists")
_LISTS_STALE_AFTER_SECONDS = 7 * 24 * 3600


def missing(wanted: Sequence[str]) -> list[str]:
    """Return the packages that are not installed according to dpkg."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"]
    lines = shell.attempt([*query, *wanted]).stdout.splitlines()
    installed = {line.split()[0] for line in lines if line.split()[1:] == ["installed"]}
    return [each for each in wanted if each not in installed]


def ensure(wanted: Sequence[str]) -> list[str]:
    """Install the missing packages; return those that were installed."""
    if shell.find("dpkg-query") is None or shell.find("apt-get") is None:
        _require_programs(wanted)
        return []
    lacking = missing(wanted)
    if not lacking:
        return []
    if os.geteuid() != 0:
        raise say.SetupError(
            "These packages are missing and only root may install them. Run as root:\n"
            f"  apt-get install --no-install-recommends {' '.join(lacking)}"
        )
    say.line(f"installing Debian packages: {' '.join(lacking)}")
    with paths.lock(paths.cache_dir() / "packages.lock"), _no_services(), heartbeat("installing"):
        if not _lists_fresh():
            _apt(["update"])
        if _try_install(lacking) != "":
            # Recent package lists can still have versions that the mirror has replaced.
            _apt(["update"])
            said = _try_install(lacking)
            if said:
                raise say.SetupError(
                    f"apt-get could not install {' '.join(lacking)}. Check that the "
                    f"package mirror answers (`apt-get update`). Its output ends with:\n{said}"
                )
    return lacking


def _apt(words: Sequence[str]) -> None:
    shell.run(["apt-get", "--quiet", *words], env=_quietly())


def _quietly() -> dict[str, str]:
    return {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def _try_install(names: Sequence[str]) -> str:
    command = ["apt-get", "--quiet", "--yes", "--no-install-recommends", "install", *names]
    command[1:1] = ["--option", "DPkg::Lock::Timeout=300"]
    done = shell.attempt(command, env=_quietly())
    if done.returncode == 0:
        return ""
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:]) or "(nothing)"


def _lists_fresh() -> bool:
    newest = max((path.stat().st_mtime for path in _LISTS.glob("*Packages*")), default=0.0)
    return time.time() - newest < _LISTS_STALE_AFTER_SECONDS


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services: Debian's redis-server would take port 6379."""
    before = _POLICY.read_bytes() if _POLICY.exists() else None
    mode = _POLICY.stat().st_mode & 0o7777 if before is not None else 0
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            _POLICY.unlink()
        else:
            _POLICY.write_bytes(before)
            _POLICY.chmod(mode)


def _require_programs(wanted: Sequence[str]) -> None:
    programs = {
        "openssl": "openssl",
        "redis-server": "redis-server",
        "unzip": "unzip",
        "buildah": "buildah",
        "conntrack": "conntrack",
        "debootstrap": "debootstrap",
        "iproute2": "ip",
        "iptables": "iptables",
        "runc": "runc",
        "containernetworking-plugins": "/usr/lib/cni/bridge",
    }
    lacking = [
        programs[each] for each in wanted if each in programs and not shell.find(programs[each])
    ]
    if lacking:
        raise say.SetupError(
            "This machine has no apt. Install these missing programs with your package manager: "
            f"{', '.join(lacking)}"
        )
