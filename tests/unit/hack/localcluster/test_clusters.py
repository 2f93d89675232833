"""Objects, requests and decisions of a local cluster, without starting one."""

import datetime
import hashlib
import json
from pathlib import Path

import pytest

from localcluster import clusters, dns, kind, node, s3, say, stores
from localcluster.steps import step


def test_s3_requests_are_signed_with_signature_version_4() -> None:
    # The example "GET Object" of Amazon S3's documentation of signature version 4.
    headers = s3.sign(
        "GET",
        "examplebucket.s3.amazonaws.com",
        "/test.txt",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        body_hash=hashlib.sha256(b"").hexdigest(),
        moment=datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC),
        headers={"Range": "bytes=0-9"},
    )
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert headers["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("status", "taints", "ready"),
    [
        ("True", [], True),
        ("False", [], False),
        ("True", [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], False),
    ],
)
def test_node_is_ready(status: str, taints: list[dict[str, str]], ready: bool) -> None:
    conditions = [
        {"type": "DiskPressure", "status": "False"},
        {"type": "Ready", "status": status},
    ]
    found = {"status": {"conditions": conditions}, "spec": {"taints": taints}}
    assert node.is_ready(found) is ready


def test_a_new_node_is_not_ready() -> None:
    assert not node.is_ready({})


def test_dns_question() -> None:
    query = dns.question("a.bc")
    assert query[12:] == b"\x01a\x02bc\x00\x00\x01\x00\x01"


def test_the_dns_service_has_the_address_that_pods_use() -> None:
    [service] = [each for each in dns.manifests()["items"] if each["kind"] == "Service"]
    assert (
        service["spec"]["clusterIP"] == node.kubelet_configuration(Path("/s"), 1)["clusterDNS"][0]
    )


def test_identities_of_the_store() -> None:
    [identity] = json.loads(stores.identities({"access": "a", "secret": "b"}))["identities"]
    assert identity["credentials"] == [{"accessKey": "a", "secretKey": "b"}]


def test_kind_maps_port_3000_on_loopback_only() -> None:
    [only] = kind.configuration()["nodes"]
    [mapping] = only["extraPortMappings"]
    assert mapping == {"containerPort": 3000, "hostPort": 3000, "listenAddress": "127.0.0.1"}
    assert "3000-32767" in only["kubeadmConfigPatches"][0]


def test_container_address() -> None:
    def inspected(networks: dict[str, dict[str, str]]) -> str:
        return json.dumps([{"NetworkSettings": {"Networks": networks}}])

    assert kind.container_address(inspected({"kind": {"IPAddress": "172.18.0.3"}})) == "172.18.0.3"
    assert kind.container_address(inspected({"kind": {"IPAddress": ""}})) is None
    assert kind.container_address(inspected({"bridge": {"IPAddress": "172.17.0.3"}})) is None


@pytest.mark.parametrize(
    ("programs", "docker_exit", "usable"),
    [(["docker", "kind"], 0, True), (["docker", "kind"], 1, False), (["docker"], 0, False)],
)
def test_docker_without_a_daemon_is_not_usable(
    programs: list[str],
    docker_exit: int,
    usable: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in programs:
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {docker_exit}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("localcluster.shell.search_path", lambda: str(tmp_path))
    assert kind.usable() is usable
    assert clusters.choose("auto") == ("kind" if usable else "bare")


def test_a_cluster_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "cluster-kind").write_text("process")
    with pytest.raises(say.SetupError, match="Run `make down` first"):
        clusters.up("bare", state=tmp_path)


def test_a_foreign_directory_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(say.SetupError, match="is not empty and was not created by this tool"):
        clusters.up("process", state=tmp_path)
    clusters.down(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_failed_step_has_its_name_and_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    log = Path("/logs/x.log")
    with pytest.raises(say.SetupError) as caught, step("Redis", advice="Try again."):
        raise say.SetupError("It does not answer.", log=log)
    assert str(caught.value) == "Redis: It does not answer.\nTry again.\nThe log is /logs/x.log"
    assert "Redis …" in capsys.readouterr().err
