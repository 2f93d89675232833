"""For which host names the API answers, and to whose pages where it asks for no credentials.

A page of any site can have its own name point to 127.0.0.1 a moment after it was loaded (DNS
rebinding): the browser then takes an API on a developer's machine for that site's own. The name
that it sends in ``Host`` gives that away. And it can send requests without reading the answers:
there ``Origin`` names the site.
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
"""Probes come to the pod's own address, and learn nothing of jobs."""
HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def name_of(host: str) -> str:
    """Return the name or address in a ``Host`` header, in lower case; empty when it has none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def is_this_machine(name: str) -> bool:
    """Return whether ``name`` is never asked of a name server (RFC 6761, section 6.3)."""
    return is_loopback(name) or name.endswith(".localhost")


class AllowedHosts:
    """Refuses requests that were meant for another host; see :func:`needed`."""

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
            if self._loopback and scope["method"] not in HARMLESS:
                self._check_origin(headers.get("origin"))
        await self._app(scope, receive, send)

    def _knows(self, name: str) -> bool:
        return name in self._names or (self._loopback and is_this_machine(name))

    def _check_host(self, hosts: list[str]) -> None:
        if len(hosts) == 1 and self._knows(name_of(hosts[0])):
            return
        told = hosts[0][:80] if hosts else ""
        ours = [*(["localhost"] if self._loopback else []), *sorted(self._names)]
        raise ProblemError(
            problems.MISDIRECTED,
            f"The API answers for {', '.join(ours)} and not for {told!r}. If that is a name of its "
            "own, put it into WHERRY_ALLOWED_HOSTS.",
        )

    def _check_origin(self, origin: str | None) -> None:
        if origin is None or origin in self._origins or self._knows(_host_of(origin)):
            return
        raise ProblemError(
            problems.FORBIDDEN,
            f"Pages of {origin[:80]!r} may not change jobs here. If they should, put that origin "
            "into WHERRY_CORS_ORIGINS.",
        )


def _host_of(origin: str) -> str:
    return name_of(origin.partition("://")[2])


def names(settings: ApiSettings) -> frozenset[str]:
    """Return the names that the settings allow besides those of this machine."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return frozenset(
        {*(host.lower() for host in settings.allowed_hosts), *([public] if public else [])}
    )


def needed(settings: ApiSettings) -> bool:
    """Return whether names are checked at all.

    They are where the settings name some, and where everyone who reaches the port is let in
    because only this machine should.
    """
    if ANY in settings.allowed_hosts:
        return False
    return bool(settings.allowed_hosts) or for_this_machine(settings)


def for_this_machine(settings: ApiSettings) -> bool:
    """Return whether the API is one on a developer's machine, that asks for no credentials."""
    return settings.auth_mode in {None, "none"} and is_loopback(settings.http_host)
