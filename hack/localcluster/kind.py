"""The cluster on machines with Docker and kind: kind's node, and Redis and SeaweedFS in containers.

The project's checks run without Docker, so only the pure functions of this file are tested.
The containers join kind's network and are addressed by IP, which works from pods and from a Linux
machine. With Docker Desktop, the machine cannot reach them, so presigned URLs do not open there.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from localcluster import (
    addresses,
    credentials,
    imagebuild,
    paths,
    processes,
    s3,
    say,
    shell,
    stores,
)
from localcluster.cluster import Cluster, RedisAddress, StoreAddress
from localcluster.steps import step

NAME = "wherry"
_REDIS = "wherry-redis"
_STORE = "wherry-store"
_REDIS_IMAGE = "redis:7-alpine"
_STORE_IMAGE = "chrislusf/seaweedfs:4.48"
_STORE_PORT = 8333


def usable() -> bool:
    """Return whether kind is installed and Docker's daemon answers."""
    if shell.find("kind") is None or shell.find("docker") is None:
        return False
    try:
        return shell.attempt(["docker", "info"], timeout=10).returncode == 0
    except say.SetupError:
        return False


def configuration() -> dict[str, Any]:
    """Return kind's configuration, which maps port 3000 of this machine to node port 3000."""
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {"extraArgs": {"service-node-port-range": "3000-32767"}},
    }
    port = {"containerPort": addresses.WEB_PORT, "hostPort": addresses.WEB_PORT}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [{**port, "listenAddress": "127.0.0.1"}],
                "kubeadmConfigPatches": [json.dumps(patch)],
            }
        ],
    }


def container_address(inspected: str) -> str | None:
    """Return a container's address on kind's network, from the output of `docker inspect`."""
    networks = json.loads(inspected)[0]["NetworkSettings"]["Networks"]
    address = networks.get("kind", {}).get("IPAddress", "")
    return str(address) if address else None


def up(state: Path) -> Cluster:
    """Create the cluster, or the missing parts of it."""
    paths.ensure_dir(state, 0o700)
    kubeconfig = state / "admin.kubeconfig"
    with step(f"kind cluster {NAME}"):
        if NAME not in shell.run(["kind", "get", "clusters"]).split():
            config = paths.write(state / "kind.json", json.dumps(configuration(), indent=1))
            words = ["kind", "create", "cluster", "--name", NAME, "--config", str(config)]
            shell.run([*words, "--kubeconfig", str(kubeconfig)], timeout=900)
        else:
            words = ["kind", "export", "kubeconfig", "--name", NAME]
            shell.run([*words, "--kubeconfig", str(kubeconfig)])
    with step("image"):
        image = _image()
    with step("Redis"):
        redis = _redis(state)
    with step("S3 store (seaweedfs)"):
        store = _store(state)
    return Cluster(
        kind="kind",
        kubeconfig=kubeconfig,
        image=image,
        redis=redis,
        store=store,
        api_url=f"http://localhost:{addresses.WEB_PORT}",
    )


def down() -> None:
    """Delete the containers and the cluster."""
    for name in (_REDIS, _STORE):
        if _inspect(name):
            shell.run(["docker", "rm", "--force", "--volumes", name])
    shell.run(["kind", "delete", "cluster", "--name", NAME], timeout=300)


def _image() -> str:
    dockerfile = paths.REPOSITORY / "Dockerfile"
    digest = imagebuild.digest(dockerfile, paths.REPOSITORY, "the default base")
    image = f"localhost/wherry:{digest}"
    build = ["docker", "build", "--file", str(dockerfile), "--tag", image, str(paths.REPOSITORY)]
    shell.run(build, timeout=1800)
    shell.run(["kind", "load", "docker-image", image, "--name", NAME], timeout=600)
    return image


def _redis(state: Path) -> RedisAddress:
    password = credentials.remembered(state, "redis", {"password": 16})["password"]
    server = ["redis-server", "--requirepass", password, "--save", "", "--appendonly", "no"]
    host = _container(_REDIS, [], _REDIS_IMAGE, server)
    return RedisAddress(host=host, port=6379, password=password)


def _store(state: Path) -> StoreAddress:
    keys = credentials.remembered(state, "seaweedfs-keys", {"access": 10, "secret": 20})
    file = paths.write(state / "seaweedfs-s3.json", stores.identities(keys))
    mount = ["--volume", f"{file}:/etc/s3.json:ro"]
    server = ["server", "-dir=/data", "-filer", "-s3", f"-s3.port={_STORE_PORT}"]
    server += ["-s3.config=/etc/s3.json", "-master.telemetry=false", "-volume.max=500"]
    host = _container(_STORE, mount, _STORE_IMAGE, server)
    address = StoreAddress(
        endpoint=f"http://{host}:{_STORE_PORT}",
        region=s3.REGION,
        bucket=stores.DEFAULT_BUCKET,
        access_key=keys["access"],
        secret_key=keys["secret"],
    )
    _wait_for_bucket(address)
    return address


def _wait_for_bucket(store: StoreAddress) -> None:
    def made() -> bool:
        try:
            answer = s3.request(
                "PUT",
                store.endpoint,
                f"/{store.bucket}",
                access_key=store.access_key,
                secret_key=store.secret_key,
            )
        except (OSError, http.client.HTTPException):
            return False
        return answer.status in (200, 409)

    processes.wait_until(f"the store at {store.endpoint} creates a bucket", made)


def _inspect(name: str) -> str | None:
    done = shell.attempt(["docker", "inspect", name])
    return done.stdout if done.returncode == 0 else None


def _container(name: str, options: list[str], image: str, command: list[str]) -> str:
    """Run a container on kind's network, or start the stopped one; return its address."""
    if _inspect(name) is None:
        words = ["docker", "run", "--detach", "--name", name, "--network", "kind", *options]
        shell.run([*words, image, *command], timeout=600)
    else:
        shell.run(["docker", "start", name])
    host = container_address(_inspect(name) or "[]")
    if host is None:
        raise say.SetupError(f"The container {name} has no address. See `docker logs {name}`.")
    return host
