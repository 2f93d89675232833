"""Tickets: single-use credentials in a URL, for requests in which a browser sends no headers.

EventSource and links send no Authorization header, and a long-lived token in a URL ends up in logs
and browser histories. A ticket opens one job, once, within a minute.
"""

import hashlib
import re
import secrets
from typing import Final

from wherry_api.auth.caller import Caller, unauthenticated
from wherry_api.http import problems
from wherry_core.redis.link import RedisLink, RedisUnavailableError

TICKET_SECONDS: Final = 60
TICKET: Final = re.compile(r"[0-9A-Za-z_-]{32}")


class Tickets:
    """Tickets in Redis, stored as hashes, which are of no use to a reader of Redis."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def issue(self, caller: Caller, name: str) -> str:
        """Return a ticket for the caller's job ``name``; raises ProblemError 503."""
        ticket = secrets.token_urlsafe(24)
        job = f"{caller.tenant}/{name}"
        try:
            await self._link.send(
                lambda redis: redis.set(
                    redis.keyspace.ticket(_digest(ticket)), job, ex=TICKET_SECONDS
                )
            )
        except RedisUnavailableError as error:
            raise problems.unavailable(
                "Tickets cannot be issued because Redis does not answer."
            ) from error
        return ticket

    async def redeem(self, ticket: str, name: str) -> Caller:
        """Return the caller of ``ticket``, and delete the ticket.

        Raises ProblemError 401 when it is unknown, used, expired or issued for another job, 503
        when Redis does not answer.
        """
        job = None
        if TICKET.fullmatch(ticket):
            try:
                job = await self._link.send(
                    lambda redis: redis.getdel(redis.keyspace.ticket(_digest(ticket)))
                )
            except RedisUnavailableError as error:
                raise problems.unavailable(
                    "Tickets cannot be checked because Redis does not answer."
                ) from error
        tenant, _, named = str(job or "").partition("/")
        if not tenant or named != name:
            raise unauthenticated(
                "The ticket is used, expired, or issued for another job. Get a new one."
            )
        return Caller(tenant=tenant, subject="ticket")


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
