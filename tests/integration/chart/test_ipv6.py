"""API, operator and runner answer on IPv6, as in a cluster with IPv6 only."""

import socket
from functools import partial

import pytest

from localcluster import ports
from localcluster.controlplane import ControlPlane
from tests.harness.buckets import Bucket
from tests.harness.processes import ProcessGroup, answers, health_variables
from tests.harness.waiting import eventually_blocking
from tests.integration.chart.conftest import delete_crds
from tests.unit.chart.renders import ROOT, VARIANTS, container, pod_templates, render


def ipv6_works() -> bool:
    """Return whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def heard(port: int, path: str) -> None:
    """Wait until ``path`` is answered on the loopback addresses of both families."""
    for host in ("[::1]", "127.0.0.1"):
        eventually_blocking(
            f"an answer on {host}:{port}{path}",
            partial(answers, f"http://{host}:{port}{path}"),
            bool,
            within=30,
        )


@pytest.mark.skipif(not ipv6_works(), reason="this machine has no IPv6")
def test_all_three_programs_listen_on_ipv6(
    chart_plane: ControlPlane,
    processes: ProcessGroup,
    redis_env: dict[str, str],
    versitygw_bucket: Bucket,
) -> None:
    chart_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    environment = {
        "KUBECONFIG": str(chart_plane.kubeconfig),
        "WHERRY_NAMESPACE": "default",
        "WHERRY_RUNNER_NAME": "default-runner-0",
        **redis_env,
        **versitygw_bucket.environment,
    }
    for program in ("wherry-operator", "wherry-jobrunner"):
        health, _ = health_variables()
        processes.start(program, {**environment, **health})
        heard(int(health["WHERRY_HEALTH_PORT"]), "/healthz")
        heard(int(health["WHERRY_HEALTH_PORT"]), "/metrics")

    template = dict(pod_templates(render(VARIANTS["ipv6"])))["wherry-api"]
    env = {each["name"]: each.get("value", "") for each in container(template, "api")["env"]}
    own = {
        "WHERRY_HTTP_PORT": str(ports.free_port()),
        "WHERRY_METRICS_PORT": str(ports.free_port()),
    }
    own_settings = {"WHERRY_HTTP_HOST": env["WHERRY_HTTP_HOST"], "WHERRY_AUTH_MODE": "none", **own}
    processes.start("wherry-api", {**environment, **own_settings})
    heard(int(own["WHERRY_HTTP_PORT"]), "/health")
    heard(int(own["WHERRY_METRICS_PORT"]), "/metrics")
    delete_crds(chart_plane)
