"""What the tool reads from the machine and changes there, with files in place of the machine."""

from pathlib import Path
from typing import Any

import pytest

from localcluster import addresses, kernel, network, ports, remains, say


def link(name: str, address: str = "", **more: Any) -> dict[str, Any]:
    local, _, length = address.partition("/")
    found = [{"family": "inet", "local": local, "prefixlen": int(length)}] if address else []
    return {"ifname": name, "addr_info": found, **more}


@pytest.mark.parametrize(
    "present",
    [
        [link("lo", "127.0.0.1/8"), link("eth0", "10.0.0.5/24")],
        [link(addresses.BRIDGE, "10.244.0.1/24", ifalias=addresses.BRIDGE_ALIAS)],
    ],
)
def test_no_conflict(present: list[dict[str, Any]]) -> None:
    assert network.conflict(present) is None


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ([link(addresses.BRIDGE)], "is not ours"),
        ([link("flannel.1", "10.244.0.0/16")], "flannel.1 has addresses in 10.244.0.0/16"),
        ([link("vpn0", "10.96.3.1/30")], "overlap 10.96.0.0/16"),
    ],
)
def test_conflicts_are_named(present: list[dict[str, Any]], words: str) -> None:
    assert words in (network.conflict(present) or "")


def test_mounts_come_innermost_first() -> None:
    mounts = "\n".join(
        [
            "a /var/lib/wherry/x tmpfs rw 0 0",
            "b /var/lib/wherry/x/with\\040blank tmpfs rw 0 0",
            "c /var/lib/wherry-other tmpfs rw 0 0",
            "d / ext4 rw 0 0",
        ]
    )
    assert remains.mounts_below(Path("/var/lib/wherry"), mounts) == [
        "/var/lib/wherry/x/with blank",
        "/var/lib/wherry/x",
    ]


def test_only_directories_that_were_absent_before_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    monkeypatch.setattr(remains, "_FIXED_PLACES", (str(theirs), str(ours)))
    remains.note_absent(tmp_path)
    ours.mkdir()
    remains.note_absent(tmp_path)
    remains.remove_noted(tmp_path)
    assert theirs.exists()
    assert not ours.exists()


def test_kernel_settings_are_restored(tmp_path: Path) -> None:
    root, state = tmp_path / "sys", tmp_path / "state"
    (root / "net/ipv4").mkdir(parents=True)
    (root / "vm").mkdir()
    forward, memory = root / "net/ipv4/ip_forward", root / "vm/overcommit_memory"
    forward.write_text("0\n")
    memory.write_text("0\n")
    kernel.note(state, root)
    kernel.apply(root)
    memory.write_text("1\n")
    kernel.note(state, root)
    assert forward.read_text() == "1"
    kernel.restore(state, root)
    assert (forward.read_text(), memory.read_text()) == ("0", "0")
    assert not (state / "kernel-settings.json").exists()


def test_free_ports_are_unique() -> None:
    given = [*ports.free_ports(20), *ports.free_ports(20)]
    assert len(set(given)) == 40
    assert all(port in ports.candidates() for port in given)


@pytest.mark.parametrize(("seconds", "text"), [(4.13, "4.1s"), (200, "3m20s"), (59.99, "60.0s")])
def test_durations(seconds: float, text: str) -> None:
    assert say.duration(seconds) == text
