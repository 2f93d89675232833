"""buildah with its own storage, separate from the user's images."""

from __future__ import annotations

import json
from pathlib import Path

from localcluster import paths, remains, shell

_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


def storage() -> Path:
    """Return the directory of buildah's images and layers."""
    return paths.cache_dir() / "buildah"


def command(*words: str) -> list[str]:
    """Return a buildah command line; buildah accepts global options only before the command."""
    home = storage()
    first, *rest = words
    options = ["--root", str(home / "root"), "--runroot", str(home / "run")]
    return ["buildah", *options, "--storage-driver", "overlay", first, *rest]


def policy() -> Path:
    """Return the signature policy: accept every image, because all are built here."""
    return paths.write(storage() / "policy.json", json.dumps(_POLICY))


def run(*words: str) -> str:
    """Run a short buildah command."""
    try:
        return shell.run(command(*words), timeout=900)
    finally:
        release()


def has_image(reference: str) -> bool:
    """Return whether the storage has an image."""
    done = shell.attempt(command("inspect", "--type", "image", reference))
    release()
    return done.returncode == 0


def release() -> None:
    """Unmount the file systems that buildah leaves mounted under its storage."""
    remains.unmount(storage())
