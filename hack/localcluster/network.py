"""The bridge that the pods are attached to, marked as ours."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

from localcluster import addresses, kernel, paths, say, shell

_CNI_CONFIGURATION: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "wherry",
    "plugins": [
        {
            "type": "bridge",
            "bridge": addresses.BRIDGE,
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": addresses.POD_RANGE, "gateway": addresses.GATEWAY}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


def links() -> list[dict[str, Any]]:
    """Return all network links with their addresses."""
    found: list[dict[str, Any]] = json.loads(shell.run(["ip", "-json", "-details", "address"]))
    return found


def conflict(present: list[dict[str, Any]]) -> str | None:
    """Return a message if another link uses the bridge's name or addresses, otherwise None."""
    wanted = [ipaddress.ip_network(r) for r in (addresses.POD_RANGE, addresses.SERVICE_RANGE)]
    for link in present:
        name = link["ifname"]
        if name == addresses.BRIDGE:
            if link.get("ifalias") != addresses.BRIDGE_ALIAS:
                return (
                    f"A network link called {name} exists and is not ours. Remove it with "
                    f"`ip link delete {name}` if you do not need it."
                )
            continue
        for address in link.get("addr_info", []):
            if address.get("family") != "inet":
                continue
            network = ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", False)
            for each in wanted:
                if each.overlaps(network):
                    return (
                        f"The network link {name} has addresses in {network}, which overlap "
                        f"{each} that the local cluster uses. It cannot run beside that network: "
                        f"take {name} down, or use another machine."
                    )
    return None


def ensure(state: Path) -> Path:
    """Create the bridge with its address; return the directory of the plugin's configuration."""
    present = links()
    problem = conflict(present)
    if problem:
        raise say.SetupError(problem)
    kernel.note(state)
    bridge = next((link for link in present if link["ifname"] == addresses.BRIDGE), None)
    if bridge is None:
        shell.run(["ip", "link", "add", addresses.BRIDGE, "type", "bridge"])
        shell.run(["ip", "link", "set", addresses.BRIDGE, "alias", addresses.BRIDGE_ALIAS])
    own = f"{addresses.GATEWAY}/{addresses.POD_RANGE.partition('/')[2]}"
    shell.run(["ip", "address", "replace", own, "dev", addresses.BRIDGE])
    shell.run(["ip", "link", "set", addresses.BRIDGE, "up"])
    kernel.apply()
    directory = paths.ensure_dir(state / "network")
    configuration = json.loads(json.dumps(_CNI_CONFIGURATION))
    # `down` would not delete the plugin's default directory.
    configuration["plugins"][0]["ipam"]["dataDir"] = str(state / "network-leases")
    paths.write(directory / "10-wherry.conflist", json.dumps(configuration, indent=1))
    return directory


def is_up() -> bool:
    """Return whether our bridge exists and has its address."""
    return any(
        link["ifname"] == addresses.BRIDGE
        and link.get("ifalias") == addresses.BRIDGE_ALIAS
        and any(each.get("local") == addresses.GATEWAY for each in link.get("addr_info", []))
        for link in links()
    )


def remove() -> bool:
    """Delete the bridge and the links attached to it; return whether there was one."""
    if shell.find("ip") is None:
        return False
    present = links()
    ours = any(
        link["ifname"] == addresses.BRIDGE and link.get("ifalias") == addresses.BRIDGE_ALIAS
        for link in present
    )
    if not ours:
        return False
    for link in present:
        if link.get("master") == addresses.BRIDGE:
            # Deleting one end of a pair also deletes the other, which may be later in the list.
            shell.attempt(["ip", "link", "delete", link["ifname"]])
    shell.run(["ip", "link", "delete", addresses.BRIDGE])
    return True
