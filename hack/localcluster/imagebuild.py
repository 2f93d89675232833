"""Build the project's image from its Dockerfile, without Docker."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from localcluster import baseimage, buildah, containers, paths, say, shell
from localcluster.heartbeat import heartbeat

_CERTIFICATES = Path("/etc/ssl/certs")
_CERTIFICATE_BUNDLE = _CERTIFICATES / "ca-certificates.crt"
_KEPT_ARCHIVES = 2
# Passed to the build if set. The Dockerfile declares those it uses; buildah passes proxies itself.
_PASSED_ON = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def copied_paths(dockerfile: str) -> list[str]:
    """Return the paths that a Dockerfile copies from its build context."""
    found: list[str] = []
    joined = dockerfile.replace("\\\n", " ")
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0].upper() not in ("COPY", "ADD"):
            continue
        if any(word.startswith("--from=") for word in words):
            continue
        operands = [word for word in words[1:] if not word.startswith("--")]
        found += operands[:-1]
    return list(dict.fromkeys(found))


def _files(context: Path, names: Iterable[str]) -> list[Path]:
    found: set[Path] = set()
    for name in names:
        for path in context.glob(name) if any(c in name for c in "*?[") else [context / name]:
            found |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
    return sorted(
        path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"
    )


def digest(dockerfile: Path, context: Path, base: str) -> str:
    """Return a digest of all inputs of an image."""
    text = dockerfile.read_text(encoding="utf-8")
    total = hashlib.sha256(f"{base}\0{text}".encode())
    for path in _files(context, copied_paths(text)):
        if not path.exists():
            raise say.SetupError(f"{dockerfile} copies {path}, which does not exist.")
        name = str(path.relative_to(context))
        executable = bool(path.stat().st_mode & 0o100)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"\0{name}\0{executable}\0{content}".encode())
    return total.hexdigest()[:12]


def build_image(dockerfile: Path, context: Path, name: str = "wherry") -> tuple[str, Path]:
    """Build an image unless its sources are unchanged; return its reference and its archive file.

    The tag is a digest of the sources, so a changed image always has a new reference.
    """
    with paths.lock(paths.cache_dir() / "images" / "build.lock"):
        base = baseimage.ensure()
        reference = f"localhost/{name}:{digest(dockerfile, context, base)}"
        archive = _archive(name, reference)
        if not archive.exists():
            _build(dockerfile, context, base, reference, archive)
            _forget_old(name, archive)
        archive.touch()
    return reference, archive


def ensure_loaded(state: Path, dockerfile: Path, context: Path, name: str = "wherry") -> str:
    """Build and import the image of the current sources if necessary; return its reference."""
    reference, archive = build_image(dockerfile, context, name)
    if not containers.has_image(state, reference):
        containers.import_image(state, archive)
    return reference


def _archive(name: str, reference: str) -> Path:
    return paths.cache_dir() / "images" / f"{name}-{reference.rpartition(':')[2]}.tar"


def _forget_old(name: str, newest: Path) -> None:
    archives = sorted(newest.parent.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-_KEPT_ARCHIVES]:
        if path != newest:
            path.unlink()


def pip_configuration() -> Path | None:
    """Return the machine's pip configuration file, or None."""
    given = os.environ.get("PIP_CONFIG_FILE", "")
    home = Path.home()
    places = [Path(given)] if given else []
    places += [home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")]
    return next((path for path in places if path.is_file()), None)


def build_options(bundle: Path = _CERTIFICATE_BUNDLE) -> list[str]:
    """Return the options that give the build files and variables of this machine."""
    options: list[str] = []
    if bundle.exists():
        # The certificate of a proxy that inspects TLS traffic is in the machine's bundle.
        options += ["--volume", f"{bundle.parent}:{_CERTIFICATES}:ro"]
        options += ["--build-arg", f"PIP_CERT={_CERTIFICATE_BUNDLE}"]
    configuration = pip_configuration()
    if configuration:
        options += ["--volume", f"{configuration}:/etc/pip.conf:ro"]
    for variable in _PASSED_ON:
        if os.environ.get(variable):
            options += ["--build-arg", variable]
    return options


def _build(dockerfile: Path, context: Path, base: str, reference: str, archive: Path) -> None:
    log = archive.with_suffix(".log")
    log.unlink(missing_ok=True)
    words = ["bud", "--isolation", "chroot", "--network", "host", "--layers", "--pull-never"]
    words += ["--signature-policy", str(buildah.policy()), "--build-arg", f"BASE={base}"]
    words += [*build_options(), "--file", str(dockerfile), "--tag", reference, str(context)]
    temporary = archive.with_suffix(".part")
    temporary.unlink(missing_ok=True)
    with say.timed(f"building {reference}"), heartbeat(f"building {reference}"):
        try:
            code = shell.run_logged(buildah.command(*words), log)
        finally:
            buildah.release()
    if code != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
        raise say.SetupError(
            f"Building the image from {dockerfile} failed. Its output ends with:\n"
            + "\n".join(f"  {line}" for line in said),
            log=log,
        )
    target = f"docker-archive:{temporary}:{reference}"
    buildah.run("push", "--signature-policy", str(buildah.policy()), reference, target)
    temporary.rename(archive)
