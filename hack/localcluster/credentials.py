"""Generated passwords and keys, stored in the state directory so that they survive a restart."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from localcluster import paths


def remembered(state: Path, name: str, generate: dict[str, int]) -> dict[str, str]:
    """Return the secrets by key; generated once, each with the given number of random bytes."""
    record = state / f"{name}.json"
    if record.exists():
        known: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
        if set(known) >= set(generate):
            return known
    made = {key: secrets.token_hex(size) for key, size in generate.items()}
    paths.write(record, json.dumps(made), mode=0o600)
    return made


def remembered_port(state: Path, name: str, chosen: int) -> int:
    """Return the stored port, or the chosen one if none is stored. Keeps addresses stable."""
    record = state / f"{name}.port"
    if record.exists():
        return int(record.read_text(encoding="ascii"))
    paths.write(record, str(chosen))
    return chosen
