"""The image's root file system, and programs run in it as a container runtime would."""

import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

EXTRA: Final = "/tmp/extra"  # noqa: S108
ENTER: Final = """
set -e
root=$1 extra=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
if [ -n "$extra" ]; then cp "$extra" "$root/tmp/extra"; chmod 644 "$root/tmp/extra"; fi
mount -o remount,bind,ro "$root"
exec env -i "$@"
"""


@dataclass(frozen=True)
class ImageRoot:
    """An unpacked image."""

    folder: Path
    config: Mapping[str, Any]
    """User, command and environment in the image's configuration."""

    def files(self) -> list[Path]:
        """Return the path on this machine of every regular file."""
        return [
            path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        ]

    def inside(self, path: Path) -> str:
        """Return the name of a file in the image."""
        return f"/{path.relative_to(self.folder)}"

    def run(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        extra: Path | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of the image: as its user, read-only, with nothing but /tmp to write to.

        It shares the machine's network. ``extra`` is a file that it finds as EXTRA.
        """
        given = environment or {}
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in given.items())]
        user = f"--userspec={self.config['User']}"
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
        words += [str(self.folder), str(extra or ""), *variables]
        words += ["/usr/bin/setpriv", "--no-new-privs"]
        words += ["/usr/sbin/chroot", user, "--groups=", str(self.folder), *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def unpack(archive: Path, folder: Path) -> ImageRoot:
    """Unpack an image archive in Docker's format."""
    # Only its owner may enter a temporary folder; this one becomes the root of another user.
    folder.chmod(0o755)
    with tarfile.open(archive) as whole:

        def opened(name: str) -> IO[bytes]:
            file = whole.extractfile(name)
            if file is None:
                raise ValueError(f"{archive} has no file {name}")
            return file

        [manifest] = json.load(opened("manifest.json"))
        config: Mapping[str, Any] = json.load(opened(manifest["Config"]))["config"]
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=opened(name)) as layer:
                # Built from this repository. A root file system has absolute links.
                layer.extractall(folder, filter="fully_trusted")  # noqa: S202
    return ImageRoot(folder, config)
