"""The identity provider's keys: when they are read, and which requests wait for them."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from wherry_api.auth.oidc import KEYS_SECONDS, UNKNOWN_KEY_SECONDS, SigningKeys
from wherry_api.http.problems import ProblemError

ISSUER = "https://id.example.com"
CONFIGURATION = f"{ISSUER}/.well-known/openid-configuration"
PUBLIC = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))


class Provider:
    """Answers with ``documents`` while ``answers`` is set."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.answers = asyncio.Event()
        self.answers.set()
        self.documents: dict[str, Any] = {
            CONFIGURATION: {"issuer": ISSUER, "jwks_uri": "https://a.example.com"},
            "https://a.example.com": {"keys": [{**PUBLIC, "kid": "first"}]},
        }
        self.asked: list[str] = []
        self.keys = SigningKeys(ISSUER, None, self.fetch, lambda: self.now)

    async def fetch(self, url: str) -> Mapping[str, Any]:
        self.asked.append(url)
        await self.answers.wait()
        document = self.documents[url]
        if isinstance(document, Exception):
            raise document
        return dict(document)


async def settled() -> None:
    """Let background tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_known_key_does_not_wait_for_the_provider() -> None:
    provider = Provider()
    assert await provider.keys.key("first") is not None
    provider.answers.clear()
    provider.now += KEYS_SECONDS + 1
    assert await provider.keys.key("first") is not None
    await settled()
    assert provider.asked.count(CONFIGURATION) == 2
    # The read in progress delays no request and is not started twice.
    waiting = asyncio.create_task(provider.keys.key("second"))
    await settled()
    assert not waiting.done()
    assert await provider.keys.key("first") is not None
    provider.answers.set()
    assert await waiting is None
    assert provider.asked.count(CONFIGURATION) == 2


async def test_requests_share_one_read_and_a_cancelled_one_does_not_end_it() -> None:
    provider = Provider()
    provider.answers.clear()
    waiting = [asyncio.create_task(provider.keys.key("first")) for _ in range(5)]
    await settled()
    waiting[0].cancel()
    await settled()
    provider.answers.set()
    assert all(await asyncio.gather(*waiting[1:]))
    assert provider.asked == [CONFIGURATION, "https://a.example.com"]


async def test_a_provider_may_move_its_keys() -> None:
    provider = Provider()
    assert await provider.keys.key("first") is not None
    provider.documents = {
        CONFIGURATION: {"issuer": ISSUER, "jwks_uri": "https://b.example.com"},
        "https://b.example.com": {"keys": [{**PUBLIC, "kid": "second"}]},
    }
    provider.now += UNKNOWN_KEY_SECONDS
    assert await provider.keys.key("second") is not None
    assert await provider.keys.key("first") is None


async def test_unknown_keys_do_not_cause_constant_reads() -> None:
    provider = Provider()
    for _ in range(3):
        assert await provider.keys.key("made-up") is None
    assert provider.asked.count(CONFIGURATION) == 1
    provider.now += UNKNOWN_KEY_SECONDS
    assert await provider.keys.key("made-up") is None
    assert provider.asked.count(CONFIGURATION) == 2


@pytest.mark.parametrize(
    "documents",
    [
        {CONFIGURATION: OSError("away")},
        {CONFIGURATION: ValueError("no JSON")},
        {CONFIGURATION: {"issuer": "https://other.example.com", "jwks_uri": "https://x"}},
        {CONFIGURATION: {"issuer": ISSUER}},
        {"https://a.example.com": {"keys": []}},
        {"https://a.example.com": {"keys": 5}},
        {"https://a.example.com": {"keys": [1, {"kty": "RSA", "kid": "first"}]}},
        {"https://a.example.com": {"keys": [{**PUBLIC, "alg": ["ES256"], "kid": "first"}]}},
    ],
)
async def test_an_unusable_document_leaves_the_old_keys_in_place(
    documents: dict[str, Any],
) -> None:
    provider = Provider()
    good = provider.documents
    provider.documents = good | documents
    with pytest.raises(ProblemError, match="identity provider"):
        await provider.keys.key("first")
    provider.documents = good
    provider.now += UNKNOWN_KEY_SECONDS
    assert await provider.keys.key("first") is not None
    provider.documents = good | documents
    provider.now += KEYS_SECONDS + 1
    await provider.keys.key("first")
    await settled()
    assert await provider.keys.key("first") is not None
