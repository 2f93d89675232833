"""A base image built without a registry, from the Debian packages of the machine's mirror."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from localcluster import buildah, paths, remains, say, shell
from localcluster.heartbeat import heartbeat

PACKAGES = ("ca-certificates", "python3", "python3-venv")
# These are half of the image's size, and not needed at run time.
_REMOVED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)


@dataclass(frozen=True)
class Mirror:
    """The package mirror of this machine."""

    suite: str
    url: str
    components: tuple[str, ...]


def suite(os_release: str) -> str | None:
    """Return the distribution's code name, from the text of /etc/os-release."""
    match = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', os_release, re.MULTILINE)
    return match[1] if match else None


def pick_mirror(code_name: str, targets: str) -> Mirror | None:
    """Return the mirror of a suite, from apt's lines of `url|code name|component`."""
    url = ""
    components: list[str] = []
    for line in targets.splitlines():
        site, _, rest = line.partition("|")
        name, _, component = rest.partition("|")
        if name == code_name and (not url or site == url):
            url = site
            components.append(component)
    return Mirror(code_name, url, tuple(dict.fromkeys(components))) if url else None


def mirror() -> Mirror:
    """Return the mirror that the machine's apt is configured for."""
    code_name = suite(Path("/etc/os-release").read_text(encoding="utf-8"))
    form = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    found = pick_mirror(code_name, shell.run(command)) if code_name else None
    if found is None:
        raise say.SetupError(
            "apt does not report a mirror of this distribution. Run `apt-get update`, and check "
            "that /etc/apt has the sources of the distribution."
        )
    return found


def ensure() -> str:
    """Return the reference of the base image in buildah's storage; rebuild it every month."""
    source = mirror()
    month = datetime.datetime.now(datetime.UTC).strftime("%Y-%m")
    reference = f"localhost/wherry-base:{source.suite}-{month}"
    if buildah.has_image(reference):
        return reference
    root = paths.cache_dir() / "images" / f"base-{source.suite}-{month}"
    _bootstrap(source, root)
    container = buildah.run("from", "scratch").strip()
    buildah.run("add", "--quiet", container, str(root), "/")
    buildah.run("commit", "--quiet", "--rm", container, reference)
    remains.unmount(root)
    remains.remove_tree(root)
    return reference


def _bootstrap(source: Mirror, root: Path) -> None:
    log = root.with_suffix(".log")
    log.unlink(missing_ok=True)
    # An interrupted run leaves an incomplete system with kernel file systems mounted in it.
    remains.unmount(root)
    remains.remove_tree(root)
    paths.ensure_dir(root)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--components={','.join(source.components)}", source.suite, str(root), source.url]
    with say.timed(f"base image of {source.suite}"), heartbeat("building the base image"):
        code = shell.run_logged(command, log, env={"DEBIAN_FRONTEND": "noninteractive"})
    if code != 0:
        raise say.SetupError(
            "debootstrap failed. Check that the package mirror answers (`apt-get update`), and run "
            f"it again. Its output ends with:\n{_tail(log)}",
            log=log,
        )
    for name in _REMOVED:
        remains.remove_tree(root / name)
    (root / "var/lib/apt/lists").mkdir(parents=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    return "\n".join(f"  {line}" for line in lines)
