"""Write an image of one layer without an image tool."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_DIRECTORIES = ("dev", "etc", "proc", "sys", "tmp")


def architecture() -> str:
    """Return this machine's architecture in the notation of images."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = mode
    archive.addfile(entry, io.BytesIO(content))


def _layer(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in _DIRECTORIES:
            entry = tarfile.TarInfo(directory)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o755
            archive.addfile(entry)
        for name, content in sorted(files.items()):
            _add(archive, name, content, 0o755)
    return buffer.getvalue()


def write(
    path: Path, reference: str, files: Mapping[str, bytes], entrypoint: Sequence[str]
) -> None:
    """Write an archive in Docker's format; the same input makes the same bytes."""
    layer = _layer(files)
    layer_digest = hashlib.sha256(layer).hexdigest()
    description = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }
    config = json.dumps(description).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{layer_digest}.tar"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [layer_name]}]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    with tarfile.open(temporary, mode="w") as archive:
        _add(archive, config_name, config)
        _add(archive, layer_name, layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    temporary.replace(path)
