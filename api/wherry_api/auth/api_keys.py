"""The mode api-keys: random keys, whose hashes are in a file, usually a mounted Secret.

Each line is ``<key id> <tenant> <SHA-256 of the whole key, in hex>``; empty lines and lines that
start with # are ignored. A key is ``wherry_<key id>_<secret>``: the id selects the line, and one
hash is compared in constant time. A key has 256 random bits, so a plain hash suffices. To rotate a
key, add a line for the new key, distribute it, then remove the old line; a changed file is read
within seconds.

``python -m wherry_api.auth.api_keys TENANT`` creates a key.
"""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wherry_api.auth.caller import Caller, Credentials, Verb, unauthenticated
from wherry_core.settings import DNS_LABEL

log = logging.getLogger(__name__)

KEY: Final = re.compile(r"wherry_([0-9A-Za-z-]{1,64})_([0-9A-Za-z_-]{32,128})")
LINE: Final = re.compile(r"([0-9A-Za-z-]{1,64})\s+(\S+)\s+([0-9a-f]{64})")
REREAD_SECONDS: Final = 5.0
NO_HASH: Final = "0" * 64


@dataclass(frozen=True)
class KeyEntry:
    """One line of the file."""

    tenant: str
    digest: str


def parse(text: str) -> dict[str, KeyEntry]:
    """Return the entries of a key file by key id; raises ValueError with the line's number."""
    entries: dict[str, KeyEntry] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None or not re.fullmatch(DNS_LABEL, match[2]):
            raise ValueError(f"line {number} must have a key id, a tenant and a SHA-256 in hex")
        if match[1] in entries:
            raise ValueError(f"line {number} repeats the key id {match[1]}")
        entries[match[1]] = KeyEntry(tenant=match[2], digest=match[3])
    return entries


def check(entries: Mapping[str, KeyEntry], key: str) -> tuple[str, KeyEntry] | None:
    """Return the id and the entry of a valid key, None for any other."""
    match = KEY.fullmatch(key)
    entry = entries.get(match[1]) if match else None
    digest = hashlib.sha256(key.encode()).hexdigest()
    # Compared also for unknown ids, so that the time reveals no id.
    equal = hmac.compare_digest(digest, entry.digest if entry else NO_HASH)
    return (match[1], entry) if match and entry and equal else None


class ApiKeys:
    """Checks keys against the file."""

    def __init__(self, path: Path, serves: Callable[[str], bool]) -> None:
        self._path = path
        self._serves = serves
        self._entries = parse(path.read_text(encoding="utf-8"))
        self._read_at = 0.0

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the key's caller; None when the API does not serve its tenant."""
        if not credentials.secret:
            raise unauthenticated("Send an API key as Authorization: Bearer or X-API-Key.")
        await self._reread()
        found = check(self._entries, credentials.secret)
        if found is None:
            raise unauthenticated(
                "The API key is not valid. Check it, or ask an administrator for a new key."
            )
        key_id, entry = found
        if not self._serves(entry.tenant) or credentials.tenant not in {None, entry.tenant}:
            return None
        return Caller(tenant=entry.tenant, subject=f"key {key_id}")

    async def _reread(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._read_at < REREAD_SECONDS:
            return
        self._read_at = now
        try:
            text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
            self._entries = parse(text)
        except (OSError, ValueError) as error:
            log.error("the key file cannot be used, the old keys stay valid: %s", error)


def make_key(tenant: str) -> tuple[str, str]:
    """Return a new key and its line for the key file."""
    key_id = secrets.token_hex(6)
    key = f"wherry_{key_id}_{secrets.token_urlsafe(32)}"
    return key, f"{key_id} {tenant} {hashlib.sha256(key.encode()).hexdigest()}"


def main() -> None:
    """Print a new key for the tenant named on the command line, and its line for the file."""
    if len(sys.argv) != 2 or not re.fullmatch(DNS_LABEL, sys.argv[1]):
        raise SystemExit("usage: python -m wherry_api.auth.api_keys TENANT")
    key, line = make_key(sys.argv[1])
    sys.stdout.write(f"The key, shown this once:\n  {key}\nThe line for the key file:\n  {line}\n")


if __name__ == "__main__":
    main()
