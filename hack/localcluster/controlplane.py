"""etcd, kube-apiserver and, on request, the controller manager and the scheduler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster import addresses, assets, kubeconfig, paths, pki, ports, processes, say, shell
from localcluster.pki import Pair
from localcluster.processes import Process

# The order in which the servers stop without logging errors about each other.
NAMES = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")

_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


@dataclass(frozen=True)
class Ports:
    """Ports of one control plane's servers; stored, so that kubeconfigs stay valid."""

    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane. It can restart from its files under `state`."""

    state: Path
    bind: str
    ports: Ports
    url: str
    etcd_url: str
    kubeconfig: Path
    audit_log: Path | None
    apiserver_command: tuple[str, ...]

    @property
    def ca(self) -> Path:
        """Return the certificate of the cluster's authority."""
        return self.state / "pki" / "ca.crt"

    @property
    def admin(self) -> Pair:
        """Return the administrator's certificate."""
        return Pair(self.state / "pki" / "admin.crt", self.state / "pki" / "admin.key")

    def pids(self) -> dict[str, int]:
        """Return the pids of the running processes, by name."""
        found = ((name, processes.find(self.state, name)) for name in NAMES)
        return {name: process.pid for name, process in found if process}

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator; return its output."""
        command = [str(assets.program("kubectl")), "--kubeconfig", str(self.kubeconfig), *words]
        return shell.run(command, stdin=stdin, timeout=120)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig for another user, for tests of permissions."""
        directory = self.state / "pki"
        safe = "".join(each if each.isalnum() else "-" for each in user)
        pair = pki.issue(directory, f"user-{safe}", common_name=user, groups=groups)
        path = self.state / f"{safe}.kubeconfig"
        return kubeconfig.write(path, server=self.url, ca=self.ca, user=pair)

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """Stop only the API server."""
        # On SIGTERM the API server waits for open watches, which clients do not close.
        processes.stop(self.state, "kube-apiserver", kill=kill, patience=3.0)

    def start_apiserver(self) -> Process:
        """Start the API server again at the same URL, and wait until it is ready."""
        process, _ = processes.ensure(self.state, "kube-apiserver", self.apiserver_command)
        _wait_for_apiserver(self.state, self.url, process)
        return process

    def restart_apiserver(self, *, kill: bool = False) -> Process:
        """Restart the API server at the same URL."""
        self.stop_apiserver(kill=kill)
        return self.start_apiserver()

    def stop(self) -> None:
        """Stop all processes; the data stays until the state directory is deleted."""
        stop_control_plane(self.state)


def stop_control_plane(state: Path) -> list[str]:
    """Stop the control plane of a state directory; return the names of what was running."""
    return [name for name in NAMES if processes.stop(state, name)]


def start_control_plane(
    state: Path,
    *,
    bind: str = "127.0.0.1",
    port: int | None = None,
    controller_manager: bool = False,
    scheduler: bool = False,
    audit: bool = False,
    durable: bool = False,
    extra_apiserver_arguments: Sequence[str] = (),
) -> ControlPlane:
    """Start a control plane, or the missing parts of the one in this state directory.

    Without the controller manager, there are no service accounts, no garbage collection of owned
    objects and no deletion of namespaces. With `durable`, etcd calls fsync on every write.
    """
    state = paths.ensure_dir(state.resolve(), 0o700)
    chosen = _ports(state, bind, port)
    authority, admin = _credentials(state, bind)
    url = f"https://{bind}:{chosen.api}"
    etcd_url = f"http://127.0.0.1:{chosen.etcd}"
    admin_config = kubeconfig.write(
        state / "admin.kubeconfig", server=url, ca=authority.certificate, user=admin
    )
    audit_log = state / "logs" / "audit.log" if audit else None
    command = _apiserver_command(state, bind, chosen, audit_log, not controller_manager)
    command += extra_apiserver_arguments

    etcd, _ = processes.ensure(state, "etcd", _etcd_command(state, chosen, durable))
    apiserver, _ = processes.ensure(state, "kube-apiserver", command)
    _wait_for_apiserver(state, url, apiserver, etcd)
    if controller_manager:
        words = _controller_manager_command(state, admin_config, chosen, scheduler)
        processes.ensure(state, "kube-controller-manager", words)
    if scheduler:
        words = _scheduler_command(admin_config, chosen)
        processes.ensure(state, "kube-scheduler", words)
    return ControlPlane(
        state=state,
        bind=bind,
        ports=chosen,
        url=url,
        etcd_url=etcd_url,
        kubeconfig=admin_config,
        audit_log=audit_log,
        apiserver_command=tuple(command),
    )


def _ports(state: Path, bind: str, port: int | None) -> Ports:
    """Return the previous ports if they are ours or free, otherwise new ones."""
    record = state / "ports.json"
    if record.exists():
        last = Ports(**json.loads(record.read_text(encoding="utf-8")))
        ours = processes.find(state, "kube-apiserver") is not None
        if port in (None, last.api) and (ours or ports.is_free(last.api, bind)):
            return last
        stop_control_plane(state)
    if port is not None and not ports.is_free(port, bind):
        raise say.SetupError(
            f"Another program listens on {bind}:{port}. Stop it (`ss -ltnp` shows which), "
            "or choose another port."
        )
    others = ports.free_ports(4)
    chosen = Ports(port or ports.free_port(bind), *others)
    paths.write(record, json.dumps(asdict(chosen)))
    return chosen


def _credentials(state: Path, bind: str) -> tuple[Pair, Pair]:
    directory = state / "pki"
    authority = pki.authority(directory)
    pki.signing_pair(directory)
    service = "kubernetes.default.svc"
    names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"]
    reached_at = dict.fromkeys(["127.0.0.1", bind, addresses.FIRST_SERVICE_ADDRESS])
    pki.issue(
        directory,
        "apiserver",
        common_name="kube-apiserver",
        alternative_names=[*(f"DNS:{n}" for n in names), *(f"IP:{a}" for a in reached_at)],
    )
    admin = pki.issue(directory, "admin", common_name="admin", groups=["system:masters"])
    return authority, admin


def _wait_for_apiserver(
    state: Path, url: str, apiserver: Process, etcd: Process | None = None
) -> None:
    ca = state / "pki" / "ca.crt"
    user = Pair(state / "pki" / "admin.crt", state / "pki" / "admin.key")

    def ready() -> bool:
        if etcd and not processes.alive(etcd):
            raise say.SetupError(
                f"etcd has exited. Its log ends with:\n{processes.tail(Path(etcd.log))}",
                log=Path(etcd.log),
            )
        # The API server reports readiness shortly before the first namespaces exist.
        return all(
            kubeconfig.answers(url + path, ca=ca, user=user)
            for path in ("/readyz", "/api/v1/namespaces/default")
        )

    processes.wait_until("the API server is ready", ready, process=apiserver)


def _etcd_command(state: Path, chosen: Ports, durable: bool) -> list[str]:
    client = f"http://127.0.0.1:{chosen.etcd}"
    peer = f"http://127.0.0.1:{chosen.etcd_peer}"
    words = [str(assets.program("etcd")), f"--data-dir={state / 'etcd'}", "--name=wherry"]
    words += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
    words += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
    words += [f"--initial-cluster=wherry={peer}", "--log-level=warn"]
    return words if durable else [*words, "--unsafe-no-fsync"]


def _apiserver_command(
    state: Path, bind: str, chosen: Ports, audit_log: Path | None, alone: bool
) -> list[str]:
    directory = state / "pki"
    words = [str(assets.program("kube-apiserver"))]
    words += [f"--etcd-servers=http://127.0.0.1:{chosen.etcd}"]
    words += [
        f"--bind-address={bind}",
        f"--secure-port={chosen.api}",
        f"--advertise-address={bind}",
    ]
    words += [f"--tls-cert-file={directory}/apiserver.crt"]
    words += [f"--tls-private-key-file={directory}/apiserver.key"]
    words += [f"--client-ca-file={directory}/ca.crt"]
    words += [f"--kubelet-client-certificate={directory}/admin.crt"]
    words += [f"--kubelet-client-key={directory}/admin.key"]
    words += ["--kubelet-preferred-address-types=InternalIP"]
    words += [f"--service-account-key-file={directory}/sa.pub"]
    words += [f"--service-account-signing-key-file={directory}/sa.key"]
    words += ["--service-account-issuer=https://kubernetes.default.svc.cluster.local"]
    words += [f"--service-cluster-ip-range={addresses.SERVICE_RANGE}"]
    words += ["--service-node-port-range=3000-32767"]
    words += ["--authorization-mode=Node,RBAC", "--allow-privileged=true", "--profiling=false"]
    if bind.startswith("127."):
        # A loopback address is not a valid endpoint of the Service `kubernetes`.
        words += ["--endpoint-reconciler-type=none"]
    if alone:
        words += ["--disable-admission-plugins=ServiceAccount"]
    if audit_log:
        policy = paths.write(state / "audit-policy.yaml", _AUDIT_POLICY)
        words += [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log}"]
        words += ["--audit-log-maxsize=100", "--audit-log-maxbackup=2"]
    return words


def _controller_manager_command(state: Path, config: Path, chosen: Ports, nodes: bool) -> list[str]:
    words = [str(assets.program("kube-controller-manager")), f"--kubeconfig={config}"]
    words += [f"--service-account-private-key-file={state}/pki/sa.key"]
    words += [f"--root-ca-file={state}/pki/ca.crt", "--use-service-account-credentials"]
    words += ["--bind-address=127.0.0.1", f"--secure-port={chosen.controller_manager}"]
    words += [f"--cert-dir={state}/pki/controller-manager"]
    if not nodes:
        # Tests that act as kubelet bind pods to a node that does not exist. These two controllers
        # would delete such pods as lost.
        words += ["--controllers=*,-pod-garbage-collector-controller,-node-lifecycle-controller"]
    return [*words, "--leader-elect=false"]


def _scheduler_command(config: Path, chosen: Ports) -> list[str]:
    words = [str(assets.program("kube-scheduler")), f"--kubeconfig={config}"]
    words += ["--bind-address=127.0.0.1", f"--secure-port={chosen.scheduler}"]
    return [*words, "--leader-elect=false"]
