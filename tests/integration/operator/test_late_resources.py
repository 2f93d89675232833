"""An operator that starts before the API server serves its resources watches them once it does."""

from pathlib import Path

from localcluster import controlplane
from tests.harness import jobs, tenants
from tests.harness.api import Api
from tests.harness.cluster import Cluster, install_crds
from tests.integration.operator.conftest import Operated
from wherry_core.resources import Phase


async def test_resources_that_are_served_late_are_watched(
    operated: Operated, tmp_path: Path
) -> None:
    plane = controlplane.start_control_plane(tmp_path / "late")
    try:
        cluster = Cluster(plane.kubeconfig, plane.url, plane.ca.read_bytes(), plane)
        async with await Api.connect(cluster.kubeconfig) as api:
            namespace = await tenants.create_namespace(api)
            # A sweep would find the job as well, but much later.
            operator = operated.start_operator(
                wait=False,
                KUBECONFIG=str(cluster.kubeconfig),
                WHERRY_NAMESPACE=namespace,
                WHERRY_SWEEP_SECONDS="3600",
            )
            await operator.wait_logged("does not serve Wherry's resources yet")
            install_crds(cluster)
            operated.api, operated.namespace = api, namespace
            await operated.create_pool(maxRunners=0)
            operator.wait_ready_blocking()
            job = await jobs.create_job(api, namespace, ["1"])
            await jobs.job_becomes(api, job, Phase.QUEUED, within=20)
            operator.end()
    finally:
        plane.stop()
