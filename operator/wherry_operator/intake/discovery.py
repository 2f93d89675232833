"""Whether the API server serves Wherry's resources yet."""

import asyncio
import logging
from typing import Final

from wherry_core.resources import GROUP, VERSION
from wherry_operator.kubernetes_api import KubernetesApi, KubernetesError

logger = logging.getLogger(__name__)

WATCHED: Final = frozenset({"downloadjobs", "runnerpools"})
PAUSE_SECONDS: Final = 0.5


async def wait_until_served(api: KubernetesApi) -> None:
    """Wait until discovery tells of the watched resources.

    An API server that has just started, or a cluster whose CustomResourceDefinitions are just
    being installed, tells of them later. Kopf asks only once, and never watches what it misses.
    """
    while not await _served(api):
        logger.warning("the API server does not serve Wherry's resources yet")
        await asyncio.sleep(PAUSE_SECONDS)


async def _served(api: KubernetesApi) -> bool:
    try:
        groups = await api.request("GET", "/apis")
        resources = await api.request("GET", f"/apis/{GROUP}/{VERSION}")
    except KubernetesError:
        return False
    names = {each["name"] for each in resources["resources"]}
    return names >= WATCHED and any(each["name"] == GROUP for each in groups["groups"])
