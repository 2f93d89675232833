"""Start, stop and show a cluster of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from localcluster import (
    addresses,
    assets,
    bare,
    controlplane,
    imagebuild,
    kind,
    packages,
    paths,
    redisserver,
    say,
    stores,
)
from localcluster.cluster import Cluster, ClusterKind, RedisAddress, StoreAddress
from localcluster.redisserver import Redis
from localcluster.steps import step
from localcluster.stores import Store

Choice = Literal["auto", "bare", "kind", "process"]


def choose(choice: Choice) -> ClusterKind:
    """Return the kind that `auto` selects: kind where it works, else the bare machine."""
    if choice != "auto":
        return choice
    return "kind" if kind.usable() else "bare"


def present(state: Path) -> ClusterKind | None:
    """Return the kind of the cluster in this state directory."""
    record = state / "cluster-kind"
    if not record.exists():
        return None
    known: dict[str, ClusterKind] = {"bare": "bare", "kind": "kind", "process": "process"}
    return known.get(record.read_text(encoding="ascii"))


def up(
    choice: Choice = "auto", *, store: stores.Kind = "seaweedfs", state: Path | None = None
) -> Cluster:
    """Start a cluster with the project's image, Redis and an S3 store; idempotent.

    `process` is a control plane without a node (FAST=1): its image is the empty string.
    """
    state = state or paths.state_dir()
    before = present(state)
    wanted = (before or choose(choice)) if choice == "auto" else choice
    if before and before != wanted:
        raise say.SetupError(
            f"A cluster of the kind {before} is up in {state}. Run `make down` first."
        )
    if wanted == "bare":
        bare.require_root()
    _claim(state, wanted)
    if wanted == "kind":
        return kind.up(state)
    if wanted == "process":
        return _process(state, store)
    machine = bare.up(state, store=store)
    with step("image", advice="The cluster itself is running; `make up` continues from here."):
        dockerfile = paths.REPOSITORY / "Dockerfile"
        image = imagebuild.ensure_loaded(state, dockerfile, paths.REPOSITORY)
    return _cluster("bare", machine.plane.kubeconfig, image, machine.redis, machine.store)


def _claim(state: Path, wanted: ClusterKind) -> None:
    """Mark a directory as ours. `down` deletes it, so it must not contain anything else."""
    paths.ensure_dir(state, 0o711)
    if present(state) is None and any(state.iterdir()):
        raise say.SetupError(
            f"{state} is not empty and was not created by this tool, which deletes its directory "
            "in the end. Set WHERRY_STATE to a directory that does not exist yet."
        )
    paths.write(state / "cluster-kind", wanted)


def _process(state: Path, store: stores.Kind) -> Cluster:
    with step("Debian packages"):
        packages.ensure(packages.SERVICES)
    with step("programs of the control plane"):
        assets.ensure(["control-plane"])
    with step("control plane"):
        plane = controlplane.start_control_plane(state, controller_manager=True, audit=True)
    with step("Redis"):
        redis = redisserver.start_redis(state)
    with step(f"S3 store ({store})"):
        held = stores.start_store(store, state)
    return _cluster("process", plane.kubeconfig, "", redis, held)


def _cluster(which: ClusterKind, config: Path, image: str, redis: Redis, store: Store) -> Cluster:
    return Cluster(
        kind=which,
        kubeconfig=config,
        image=image,
        redis=RedisAddress(host=redis.host, port=redis.port, password=redis.password),
        store=StoreAddress(
            endpoint=store.endpoint,
            region=store.region,
            bucket=store.bucket,
            access_key=store.access_key,
            secret_key=store.secret_key,
        ),
        api_url=f"http://localhost:{addresses.WEB_PORT}",
    )


def down(state: Path | None = None) -> None:
    """Remove the cluster and everything else except the cache."""
    state = state or paths.state_dir()
    which = present(state)
    if which is None:
        say.line(f"no cluster is up in {state}")
        return
    if which == "kind":
        with step(f"kind cluster {kind.NAME}"):
            kind.down()
    bare.down(state)


def status(state: Path | None = None) -> list[str]:
    """Return the running parts as lines for a person."""
    state = state or paths.state_dir()
    which = present(state)
    if which is None:
        return [f"No cluster is up in {state}. `make up` starts one."]
    lines = [f"kind of cluster: {which}", f"kubeconfig: {state / 'admin.kubeconfig'}"]
    return lines + [f"{name}: {what}" for name, what in bare.status(state)]
