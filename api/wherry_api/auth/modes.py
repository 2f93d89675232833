"""Choosing the auth mode that the settings name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from wherry_api.auth.api_keys import ApiKeys
from wherry_api.auth.caller import Authenticator
from wherry_api.auth.kubernetes_tokens import KubernetesTokens
from wherry_api.auth.nobody import Nobody
from wherry_api.auth.oidc import OidcTokens, SigningKeys
from wherry_api.kubernetes_requests import KubernetesRequests
from wherry_api.settings import ApiSettings

FETCH_SECONDS = 5.0


def authenticator(settings: ApiSettings, kubernetes: KubernetesRequests) -> Authenticator:
    """Return the authenticator for the mode; raises OSError or ValueError for a bad key file."""
    if settings.auth_mode == "kubernetes":
        return KubernetesTokens(
            kubernetes, settings.token_audiences, settings.serves, settings.auth_cache_seconds
        )
    if settings.auth_mode == "oidc":
        issuer, audience = str(settings.oidc_issuer), str(settings.oidc_audience)
        return OidcTokens(
            SigningKeys(issuer, settings.oidc_jwks_url, fetch_json),
            issuer=issuer,
            audience=audience,
            algorithms=settings.oidc_algorithms,
            tenant_claim=settings.oidc_tenant_claim,
            serves=settings.serves,
        )
    if settings.auth_mode == "api-keys":
        return ApiKeys(Path(str(settings.api_keys_file)), settings.serves)
    return Nobody(settings.default_tenant)


def prove(settings: ApiSettings) -> None:
    """Raise OSError or ValueError when a file that the mode needs cannot be used."""
    if settings.auth_mode == "api-keys":
        ApiKeys(Path(str(settings.api_keys_file)), settings.serves)


async def fetch_json(url: str) -> Mapping[str, Any]:
    """Return the JSON object at ``url``; raises OSError or ValueError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            content = await response.read()
            if response.status != 200:
                raise ValueError(f"{url} answered {response.status}")
    except aiohttp.ClientError as error:
        raise OSError(f"{url}: {error}") from error
    document = orjson.loads(content)
    if not isinstance(document, dict):
        raise ValueError(f"{url} holds no JSON object")
    return document
