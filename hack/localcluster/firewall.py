"""Removal of the cluster's rules, and no others, from iptables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from localcluster import say, shell

# The network plugin names its chains by a hash; only the comments of its rules name their owner.
_OUR_COMMENT = 'name: "wherry"'
_FAMILIES = ("iptables", "ip6tables")


def _is_kubernetes(chain: str) -> bool:
    return chain.startswith("KUBE-")


def _jump(rule: str) -> str | None:
    match = re.search(r" -[jg] (\S+)", rule)
    return match[1] if match else None


def _says_ours(rule: str) -> bool:
    try:
        return any(_OUR_COMMENT in word for word in shlex.split(rule))
    except ValueError:
        return False


def removal(saved: str) -> str:
    """Return the `iptables-restore --noflush` input that removes our chains.

    They are Kubernetes' chains, and those of the network plugin that name our network.
    """
    script: list[str] = []
    for table, chains, rules in _tables(saved):
        ours = {chain for chain in chains if _is_kubernetes(chain)}
        for rule in rules:
            target = _jump(rule)
            if target and target.startswith("CNI-") and _says_ours(rule):
                ours.add(target)
        deleted = [
            rule.replace("-A ", "-D ", 1)
            for rule in rules
            if _jump(rule) in ours and rule.split()[1] not in ours
        ]
        if ours:
            script.append(f"*{table}")
            script += deleted
            script += [f"-F {chain}" for chain in chains if chain in ours]
            script += [f"-X {chain}" for chain in chains if chain in ours]
            script.append("COMMIT")
    return "\n".join([*script, ""]) if script else ""


def _tables(saved: str) -> Sequence[tuple[str, list[str], list[str]]]:
    tables: list[tuple[str, list[str], list[str]]] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            tables.append((line[1:], [], []))
        elif line.startswith(":") and tables:
            tables[-1][1].append(line[1:].split()[0])
        elif line.startswith("-A ") and tables:
            tables[-1][2].append(line)
    return tables


def _scripts() -> dict[str, str]:
    """By family, what takes our chains out; only the families that have any."""
    scripts: dict[str, str] = {}
    for family in _FAMILIES:
        if shell.find(family) is None:
            continue
        done = shell.attempt([f"{family}-save"])
        if done.returncode != 0:
            # A kernel without IPv6 has no ip6tables, and therefore none of our rules.
            if family == "iptables":
                raise say.SetupError(f"iptables-save failed: {done.stderr.strip()}")
            continue
        script = removal(done.stdout)
        if script:
            scripts[family] = script
    return scripts


def families_with_rules() -> list[str]:
    """Return those of iptables and ip6tables that have chains of the cluster."""
    return list(_scripts())


def purge() -> None:
    """Take the cluster's rules out."""
    for family, script in _scripts().items():
        shell.run([f"{family}-restore", "--noflush", "--wait"], stdin=script)
