"""The three kinds of resources that the cache holds, as the sweep sees them."""

from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.cache_sweep import SweptKind
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.pod_view import POOL_LABEL
from wherry_operator.kubernetes_api import jobs_path, pods_path, pools_path


def swept_kinds(
    cache: ClusterCache, intake: ClusterIntake, namespace: str, tenants: tuple[str, ...] | None
) -> tuple[SweptKind, ...]:
    """Return pools, runner pods and jobs, in the order in which they are to be loaded."""

    def job_path(key: str) -> str:
        where, _, name = key.partition("/")
        return jobs_path(where, name)

    return (
        SweptKind(
            name="pool",
            list_paths=(pools_path(namespace),),
            selector="",
            views=cache.pools,
            key_of=lambda metadata: str(metadata["name"]),
            path_of=lambda name: pools_path(namespace, name),
            take=intake.take_pool,
            drop=intake.drop_pool,
            recall=cache.recall,
        ),
        SweptKind(
            name="pod",
            list_paths=(pods_path(namespace),),
            selector=POOL_LABEL,
            views=cache.pods,
            key_of=lambda metadata: str(metadata["name"]),
            path_of=lambda name: pods_path(namespace, name),
            take=intake.take_pod,
            drop=intake.drop_pod,
            recall=cache.recall,
        ),
        SweptKind(
            name="job",
            list_paths=tuple(jobs_path(each) for each in tenants or (None,)),
            selector="",
            views=cache.jobs,
            key_of=lambda metadata: f"{metadata['namespace']}/{metadata['name']}",
            path_of=job_path,
            take=intake.on_job,
            drop=intake.drop_job,
            recall=cache.recall,
        ),
    )
