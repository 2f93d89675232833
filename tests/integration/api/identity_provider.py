"""A minimal identity provider: a discovery document, keys, and signed tokens."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "wherry"


@dataclass
class IdentityProvider:
    issuer: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    """Ids of the keys that the provider publishes."""
    reads: int = 0

    def rotate(self, key_id: str) -> None:
        self.keys[key_id] = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.served = [key_id]

    def token(self, key_id: str, *, algorithm: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        body = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "someone",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.keys[key_id], algorithm=algorithm, headers={"kid": key_id})

    async def _configuration(self, _: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"})

    async def _keys(self, _: web.Request) -> web.Response:
        self.reads += 1
        keys = [
            {**json.loads(RSAAlgorithm.to_jwk(self.keys[key_id].public_key())), "kid": key_id}
            for key_id in self.served
        ]
        return web.json_response({"keys": keys})


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    provider.rotate("first")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider._configuration)
    app.router.add_get("/keys", provider._keys)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    provider.issuer = f"http://127.0.0.1:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
