"""The auth modes, and the choice between them."""

from functools import partial
from pathlib import Path

from wherry_api.auth.api_keys import ApiKeys
from wherry_api.auth.caller import Authenticator, Caller, Credentials, Verb
from wherry_api.auth.kubernetes_tokens import KubernetesTokens
from wherry_api.auth.oidc import OidcTokens, SigningKeys
from wherry_api.auth.provider_documents import fetch_json
from wherry_api.settings import ApiSettings
from wherry_core.kubernetes.client import KubernetesClient


class Anonymous:
    """The mode none: admits everyone who reaches the port, as one tenant."""

    def __init__(self, tenant: str) -> None:
        self._caller = Caller(tenant=tenant, subject="anonymous")

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the only caller there is."""
        return self._caller


def authenticator(settings: ApiSettings, kubernetes: KubernetesClient) -> Authenticator:
    """Return the authenticator of the mode; raises OSError or ValueError for a bad key file."""
    if settings.auth_mode == "kubernetes":
        return KubernetesTokens(
            kubernetes, settings.token_audiences, settings.serves, settings.auth_cache_seconds
        )
    if settings.auth_mode == "oidc":
        issuer, audience = str(settings.oidc_issuer), str(settings.oidc_audience)
        return OidcTokens(
            SigningKeys(
                issuer,
                settings.oidc_jwks_url,
                partial(fetch_json, allow_http=settings.oidc_allow_http),
            ),
            issuer=issuer,
            audience=audience,
            algorithms=settings.oidc_algorithms,
            tenant_claim=settings.oidc_tenant_claim,
            serves=settings.serves,
        )
    if settings.auth_mode == "api-keys":
        return ApiKeys(Path(str(settings.api_keys_file)), settings.serves)
    return Anonymous(settings.default_tenant)


def check_key_file(settings: ApiSettings) -> None:
    """Raise OSError or ValueError when the mode is api-keys and its key file cannot be used."""
    if settings.auth_mode == "api-keys":
        ApiKeys(Path(str(settings.api_keys_file)), settings.serves)
