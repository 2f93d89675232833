"""Generated passwords and keys, kept in the state directory so that they survive a restart."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from localcluster import paths


def remembered(state: Path, name: str, generate: dict[str, int]) -> dict[str, str]:
    """Secrets by key; made once, each of the given number of random bytes."""
    record = state / f"{name}.json"
    if record.exists():
        known: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
        if set(known) >= set(generate):
            return known
    made = {key: secrets.token_hex(size) for key, size in generate.items()}
    paths.write(record, json.dumps(made), mode=0o600)
    return made


def remembered_port(state: Path, name: str, chosen: int) -> int:
    """The port of last time; the chosen one if there was none. Keeps addresses stable."""
    record = state / f"{name}.port"
    if record.exists():
        return int(record.read_text(encoding="ascii"))
    paths.write(record, str(chosen))
    return chosen
