"""buildah with a storage of our own, away from the images that the user may have."""

from __future__ import annotations

import json
from pathlib import Path

from localcluster import paths, remains, shell

_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


def storage() -> Path:
    """Where buildah keeps its images and layers."""
    return paths.cache_dir() / "buildah"


def command(*words: str) -> list[str]:
    """A buildah command line. Global options first: it takes them nowhere else."""
    home = storage()
    first, *rest = words
    options = ["--root", str(home / "root"), "--runroot", str(home / "run")]
    return ["buildah", *options, "--storage-driver", "overlay", first, *rest]


def policy() -> Path:
    """Which images may be used: any, since all are made here."""
    return paths.write(storage() / "policy.json", json.dumps(_POLICY))


def run(*words: str) -> str:
    """Run a short buildah command."""
    try:
        return shell.run(command(*words), timeout=900)
    finally:
        release()


def has_image(reference: str) -> bool:
    """Whether the storage holds an image."""
    done = shell.attempt(command("inspect", "--type", "image", reference))
    release()
    return done.returncode == 0


def release() -> None:
    """Unmount what buildah leaves mounted under its storage."""
    remains.unmount(storage())
