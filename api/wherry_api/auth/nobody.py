"""The mode none: everyone who reaches the port is let in, and there is one tenant."""

from wherry_api.auth.caller import Caller, Credentials, Verb


class Nobody:
    """Asks for nothing."""

    def __init__(self, tenant: str) -> None:
        self._caller = Caller(tenant=tenant, subject="anonymous")

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the one caller there is."""
        return self._caller
