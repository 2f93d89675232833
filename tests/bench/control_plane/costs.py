"""Resource usage of processes and the API server, read before and after."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.harness.api import Api

_REQUESTS: Final = re.compile(r"^apiserver_request_total\{([^}]*)\} (\d+)", re.MULTILINE)
_LABELS: Final = re.compile(r'(\w+)="([^"]*)"')
COUNTED: Final = {"downloadjobs", "runnerpools", "pods", "events"}
"""Leases are excluded, because their cost does not depend on the number of jobs."""
MIB: Final = 1 << 20


async def api_calls(api: Api) -> Counter[str]:
    """Return how many requests the API server has answered, by verb and resource.

    A watch is counted when it ends; an open one has cost one request.
    """
    page = str(await api.request("GET", "/metrics"))
    found: Counter[str] = Counter()
    for labels, count in _REQUESTS.findall(page):
        known = dict(_LABELS.findall(labels))
        if known["resource"] in COUNTED:
            part = f"/{known['subresource']}" if known["subresource"] else ""
            found[f"{known['verb']} {known['resource']}{part}"] += int(count)
    return found


@dataclass(frozen=True)
class Used:
    """Resource usage of a group of processes since their start."""

    cpu_seconds: float
    peak_mib: float
    """Peak resident memory of a single process."""


def used(pids: Mapping[str, list[int]]) -> dict[str, Used]:
    """Return the usage of each group of processes, without those that have ended."""
    result = {}
    for name, group in pids.items():
        cpu, peak = 0.0, 0.0
        for pid in group:
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.NoSuchProcess:
                continue
            cpu += times.user + times.system
            peak = max(peak, _peak_mib(pid))
        result[name] = Used(cpu, peak)
    return result


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / MIB if found else 0.0
