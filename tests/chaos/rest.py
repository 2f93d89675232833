"""Waiting until a world has come to rest."""

from tests.chaos.world import World
from tests.harness.api import JOBS
from tests.harness.waiting import eventually


async def nothing_left(world: World) -> None:
    """Wait for what is cleared up by and by: idle runners, and what fenced attempts stored."""
    await eventually(
        "all runners to have left",
        lambda: world.api.list_all("pods", world.namespace),
        lambda pods: not pods,
        within=120,
        every=0.5,
    )

    async def leftovers() -> list[str]:
        jobs = await world.api.list_all(JOBS, world.namespace)
        archives = [each.get("status", {}).get("archive") or {} for each in jobs]
        owned = {each.get("key") for each in archives} | {
            each.get("manifestKey") for each in archives
        }
        keys = await world.bucket.keys("archives/")
        return [*(set(keys) - owned), *await world.bucket.uploads("archives/")]

    await eventually(
        "the sweep to clear up the bucket", leftovers, lambda found: not found, within=90, every=1
    )
