"""The mode oidc: JWTs of an identity provider, with a claim that names the tenant."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import jwt

from wherry_api.auth.caller import Caller, Credentials, Verb, unauthenticated
from wherry_api.http import problems
from wherry_core.settings import DNS_LABEL

log = logging.getLogger(__name__)

KEYS_SECONDS: Final = 600.0
"""Seconds after which the provider's keys are read again."""
UNKNOWN_KEY_SECONDS: Final = 10.0
"""Shortest time between two reads that tokens with unknown keys cause."""
LEEWAY_SECONDS: Final = 30
MAX_TOKEN_LENGTH: Final = 16_384

FetchJson = Callable[[str], Awaitable[Mapping[str, Any]]]


class SigningKeys:
    """The provider's public keys (RFC 7517), with rotation."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        fetch: FetchJson,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._url = jwks_url
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, or None when the provider has no key of that id.

        Old keys stay in use while the provider does not answer, and requests with a known key do
        not wait for it. Raises ProblemError 503 when no keys were ever read.
        """
        now = self._clock()
        stale = now - self._read_at > KEYS_SECONDS
        unknown = key_id not in self._keys
        may_read = self._reading is None and now - self._tried_at >= UNKNOWN_KEY_SECONDS
        if (stale or unknown) and may_read:
            self._tried_at = now
            self._reading = asyncio.get_running_loop().create_task(self._read())
        if unknown and self._reading is not None:
            # Shielded: one request that is cancelled must not end the read for the others.
            await asyncio.shield(self._reading)
        if not self._keys:
            raise problems.unavailable(
                "Tokens cannot be checked because the identity provider does not answer."
            )
        return self._keys.get(key_id)

    async def _read(self) -> None:
        try:
            # Discovery is repeated each time, because the keys' URL may change.
            url = self._url or await self._discovered()
            found = jwt.PyJWKSet.from_dict(dict(await self._fetch(url)))
            keys = {key.key_id: key for key in found.keys if isinstance(key.key_id, str)}
        except (OSError, LookupError, TypeError, ValueError, jwt.PyJWTError) as error:
            log.warning("the identity provider's keys cannot be read: %s", error)
            return
        finally:
            self._reading = None
        self._keys = keys
        self._read_at = self._clock()

    async def _discovered(self) -> str:
        well_known = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._fetch(well_known)
        if document.get("issuer") != self._issuer:
            raise ValueError(f"{well_known} names another issuer")
        return str(document["jwks_uri"])


class OidcTokens:
    """Checks JWTs (RFC 8725: pinned algorithms, issuer, audience and expiry are required)."""

    def __init__(
        self,
        keys: SigningKeys,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[str, ...],
        tenant_claim: str,
        serves: Callable[[str], bool],
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithms = list(algorithms)
        self._tenant_claim = tenant_claim
        self._serves = serves

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the token's caller; None when the API does not serve its tenant."""
        token = credentials.secret
        if not token:
            raise unauthenticated("Send a token of the identity provider as Authorization: Bearer.")
        if len(token) > MAX_TOKEN_LENGTH:
            raise unauthenticated(
                f"The token has more than {MAX_TOKEN_LENGTH} characters. Send a JWT."
            )
        claims = await self._claims(token)
        tenant = claims.get(self._tenant_claim)
        if not isinstance(tenant, str) or not re.fullmatch(DNS_LABEL, tenant):
            raise unauthenticated(
                f"The token's claim {self._tenant_claim!r} does not name a tenant (a namespace). "
                "Ask the administrator of the identity provider for it."
            )
        if not self._serves(tenant) or credentials.tenant not in {None, tenant}:
            return None
        return Caller(tenant=tenant, subject=str(claims["sub"]))

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise unauthenticated(
                "The token is not a JWT. Send a token of the identity provider."
            ) from None
        if header.get("alg") not in self._algorithms:
            raise unauthenticated(
                "The token is signed with an algorithm that is not accepted. Use "
                f"{' or '.join(self._algorithms)}."
            )
        key = await self._keys.key(str(header.get("kid", "")))
        if key is None:
            raise unauthenticated(
                "The token is signed with a key that the identity provider does not publish. Get a "
                "new one."
            )
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise unauthenticated("The token has expired. Get a new one.") from None
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise unauthenticated(f"The token is not valid: {error}. Get a new one.") from None
        return claims
