"""Checks the Host header and, on a developer's machine, the Origin header.

Any site can point its own name to 127.0.0.1 after its page was loaded (DNS rebinding). The browser
then takes the API on a developer's machine for that site; the ``Host`` header shows the site's
name. A page can also send requests without reading the answers; then ``Origin`` shows the site.

Starlette's TrustedHostMiddleware would not do: it answers plain text with status 400, refuses
probes that come to the pod's address, takes the first of several Host headers, splits IPv6
addresses at their first colon, and does not know ``Origin``.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.settings import ApiSettings, is_loopback

ANY: Final = "*"
OPEN_PATHS: Final = frozenset({"/health", "/health/ready"})
"""Probes come to the pod's own address, and the answer holds nothing about jobs."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def name_of(host: str) -> str:
    """Return the name or address in a ``Host`` header, in lower case; "" when there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def is_this_machine(name: str) -> bool:
    """Return whether ``name`` always means this machine (RFC 6761, section 6.3)."""
    return is_loopback(name) or name.endswith(".localhost")


class AllowedHosts:
    """Refuses requests for another host; see :func:`needed`."""

    def __init__(
        self, app: ASGIApp, names: Collection[str], origins: Collection[str], *, loopback: bool
    ) -> None:
        self._app = app
        self._names = frozenset(names)
        self._origins = frozenset(origins)
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises ProblemError 421 or 403."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            headers = Headers(scope=scope)
            self._check_host(headers.getlist("host"))
            if self._loopback and scope["method"] not in SAFE_METHODS:
                self._check_origin(headers.get("origin"))
        await self._app(scope, receive, send)

    def _knows(self, name: str) -> bool:
        return name in self._names or (self._loopback and is_this_machine(name))

    def _check_host(self, hosts: list[str]) -> None:
        if len(hosts) == 1 and self._knows(name_of(hosts[0])):
            return
        sent = hosts[0][:80] if hosts else ""
        ours = [*(["localhost"] if self._loopback else []), *sorted(self._names)]
        raise ProblemError(
            problems.MISDIRECTED,
            f"The API serves {', '.join(ours)}, not the host {sent!r}. If that is its own name, "
            "add it to WHERRY_ALLOWED_HOSTS.",
        )

    def _check_origin(self, origin: str | None) -> None:
        if origin is None or origin in self._origins or self._knows(_host_of(origin)):
            return
        raise ProblemError(
            problems.FORBIDDEN,
            f"Pages of {origin[:80]!r} may not change jobs. To allow it, add that origin to "
            "WHERRY_CORS_ORIGINS.",
        )


def _host_of(origin: str) -> str:
    return name_of(origin.partition("://")[2])


def names(settings: ApiSettings) -> frozenset[str]:
    """Return the host names that the settings allow, apart from those of this machine."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return frozenset(
        {*(host.lower() for host in settings.allowed_hosts), *([public] if public else [])}
    )


def needed(settings: ApiSettings) -> bool:
    """Return whether names are checked.

    Names are checked if the settings list any, and always on a developer's machine, where the API
    admits every request that reaches the port.
    """
    if ANY in settings.allowed_hosts:
        return False
    return bool(settings.allowed_hosts) or for_this_machine(settings)


def for_this_machine(settings: ApiSettings) -> bool:
    """Return whether the API runs on a developer's machine without authentication."""
    return settings.auth_mode in {None, "none"} and is_loopback(settings.http_host)
