"""The jobs of a run, posted through the API as clients do it, whatever faults occur meanwhile."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from tests.chaos.persistence import persist
from tests.chaos.world import CHANGING, FILES, MISSING, World
from tests.harness.api import JOBS
from tests.harness.waiting import TooLateError
from wherry_core.resources import TERMINAL_PHASES, Phase

COMPLETES: Final = frozenset({Phase.COMPLETED})
FAILS: Final = frozenset({Phase.FAILED})
MISSING_SHARE: Final = 0.03
DELETED: Final = "deleted"
SINGLE_SHARE: Final = 0.1
"""Jobs of one file: the object itself is the result."""
POST_PATIENCE_SECONDS: Final = 180.0
STANDSTILL_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Wish:
    """One request of a client."""

    at: float
    """Seconds from the start."""
    key: str
    """The Idempotency-Key of every attempt to post it."""
    files: tuple[str, ...]

    @property
    def ends(self) -> frozenset[Phase]:
        """How the job may end."""
        return FAILS if MISSING in self.files else COMPLETES


def wishes(seed: int, count: int, seconds: float) -> tuple[Wish, ...]:
    """Return ``count`` requests over ``seconds``, oldest first; the same for the same arguments."""
    chooser = random.Random(f"wishes {seed}")
    made = []
    for number in range(count):
        share = chooser.random()
        # The result of a single file is the file itself, which must not change after the end.
        single = share < SINGLE_SHARE
        known = sorted(set(FILES) - set(CHANGING)) if single else sorted(FILES)
        files = chooser.sample(known, 1 if single else chooser.randint(2, 4))
        if share > 1 - MISSING_SHARE:
            files.append(MISSING)
        made.append(Wish(chooser.uniform(0, seconds), f"{seed}-{number}", tuple(files)))
    return tuple(sorted(made, key=lambda wish: wish.at))


async def post(client: httpx.AsyncClient, wish: Wish) -> str:
    """Post until the API accepts; return the job's id. Raises TimeoutError, AssertionError."""
    body = {"file_ids": list(wish.files)}
    async with asyncio.timeout(POST_PATIENCE_SECONDS):
        while True:
            try:
                answer = await client.post(
                    "/v1/download/initiate", json=body, headers={"Idempotency-Key": wish.key}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.3)
                continue
            if answer.status_code == 200:
                return str(answer.json()["jobId"])
            if answer.status_code < 429:
                raise AssertionError(f"the API answered {answer.status_code}: {answer.text}")
            await asyncio.sleep(min(2.0, float(answer.headers.get("Retry-After", "0.5"))))


async def ask_for_all(world: World, all_wishes: tuple[Wish, ...]) -> dict[str, frozenset[Phase]]:
    """Post every wish at its time; return how each job (``namespace/name``) may end."""
    started = asyncio.get_running_loop().time()
    asked: dict[str, frozenset[Phase]] = {}

    async def ask(wish: Wish) -> None:
        await asyncio.sleep(max(0.0, started + wish.at - asyncio.get_running_loop().time()))
        job = await post(world.client, wish)
        asked[f"{world.namespace}/{job}"] = wish.ends

    async with asyncio.TaskGroup() as group:
        for wish in all_wishes:
            group.create_task(ask(wish))
    return asked


async def phases(world: World) -> dict[str, int]:
    """Return how many jobs there are in each phase, and how many were deleted ("deleted")."""
    counts: dict[str, int] = {}
    missing = set(world.deleted)
    for each in await world.api.list_all(JOBS, world.namespace):
        key = f"{world.namespace}/{each['metadata']['name']}"
        missing.discard(key)
        if key not in world.unreadable:
            phase = str(each.get("status", {}).get("phase"))
            counts[phase] = counts.get(phase, 0) + 1
    return counts | ({DELETED: len(missing)} if missing else {})


async def all_ended(world: World, count: int) -> Mapping[str, int]:
    """Wait until ``count`` jobs have ended or were deleted; return how many are in each phase.

    Raises TooLateError with the phases that were seen last when no job ends for
    STANDSTILL_SECONDS, because the whole run may take long on a slow machine.
    """
    loop = asyncio.get_running_loop()
    ended, since = 0, loop.time()
    while True:
        found = await persist(lambda: phases(world))
        now = sum(found.get(phase, 0) for phase in (*TERMINAL_PHASES, DELETED))
        if now == count:
            return found
        if now != ended:
            ended, since = now, loop.time()
        elif loop.time() - since > STANDSTILL_SECONDS:
            raise TooLateError(
                f"no job ended for {STANDSTILL_SECONDS:g} s, {ended} of {count} had: {found}"
            )
        await asyncio.sleep(0.5)
