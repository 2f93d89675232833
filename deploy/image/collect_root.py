"""Collect the root file system of the image: a Python, what it needs, and nothing to type into.

Run: python3 collect_root.py ENVIRONMENT TARGET, in a build stage that has the environment. It
takes the interpreter that the environment stands on, its standard library, the shared libraries
that any of them load, certificate authorities, and a user. There is no shell, no package manager
and no other program. Needs only the standard library, ``ldd`` and, for the list of packages that
scanners read, ``dpkg-query``.
"""

import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROGRAMS: Final = re.compile(r"python(\d(\.\d+)?)?|wherry-[a-z]+")
"""What stays in the environment's bin."""
NOT_NEEDED: Final = frozenset(
    {
        "__pycache__",
        "dist-packages",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "site-packages",
        "sitecustomize.py",
        "test",
        "tests",
        "tkinter",
        "turtle.py",
        "turtledemo",
        "venv",
    }
)
"""Parts of the standard library for development, of which much runs or installs programs."""
AWS_SERVICES: Final = frozenset({"s3", "sso", "sso-oidc", "signin", "sts"})
"""Of the hundreds that botocore describes: the store, and the sources of credentials."""
NOT_COMPILED: Final = ("kubernetes/client/models", "kubernetes/aio/client")
"""Thousands of generated modules that are loaded one by one when they are used: a few are."""
ALSO_LOADED: Final = ("libgcc_s.so.1",)
"""Libraries that the C library opens by itself when a thread ends."""
AUTHORITIES: Final = Path("/usr/share/ca-certificates/mozilla")
BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")
USER: Final = 65532
FILES: Final = {
    "etc/passwd": (
        f"root:x:0:0:root:/:/none\nwherry:x:{USER}:{USER}:wherry:/:/none\n"
        "nobody:x:65534:65534:nobody:/:/none\n"
    ),
    "etc/group": f"root:x:0:\nwherry:x:{USER}:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
FOLDERS: Final = ("dev", "proc", "run", "sys", "tmp", "var/run")
EPOCH: Final = 315_532_800
"""The time of every file, so that two builds give the same layer: 1980, ZIP's first year."""


class Root:
    """The file system that is being made."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def at(self, path: Path) -> Path:
        """Return the path on this machine of ``path`` in the image."""
        return self.target / path.relative_to("/")

    def take(self, path: Path) -> None:
        """Copy a file of this system to its place, with every symbolic link on the way to it."""
        whole = Path("/")
        for number, part in enumerate(path.parts[1:], 2):
            step = whole / part
            if step.is_symlink():
                link = step.readlink()
                if not os.path.lexists(self.at(step)):
                    self.at(step).parent.mkdir(parents=True, exist_ok=True)
                    self.at(step).symlink_to(link)
                # The link's own target is followed in the same way: it may hold links again.
                self.take(Path(os.path.normpath(whole / link)).joinpath(*path.parts[number:]))
                return
            whole = step
        if self.at(path).exists():
            return
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, self.at(path))

    def take_tree(self, folder: Path, without: frozenset[str] = frozenset()) -> None:
        """Copy everything below ``folder``, leaving out what is called as in ``without``."""
        for path in sorted(folder.iterdir()):
            if path.name in without:
                continue
            if path.is_dir() and not path.is_symlink():
                self.take_tree(path, without)
            else:
                self.take(path)

    def files(self) -> Iterator[Path]:
        """Yield every regular file, as it is called in the image."""
        for path in sorted(self.target.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield Path("/") / path.relative_to(self.target)


def is_elf(path: Path) -> bool:
    """Return whether a file is a program or a library."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries(path: Path) -> list[Path]:
    """Return the files that the dynamic linker loads with ``path``; raises RuntimeError."""
    done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise RuntimeError(f"{path} needs a library that is not here:\n{done.stdout}")
    # Lines are "name => /path (address)" or, for the linker itself, "/path (address)".
    return [Path(found) for found in re.findall(r"(/\S+) \(0x[0-9a-f]+\)", done.stdout)]


def is_needed(path: Path) -> bool:
    """Return whether a file of the environment is used by Wherry."""
    parts = path.parts
    if path.parent.name == "bin":
        return PROGRAMS.fullmatch(path.name) is not None
    if "botocore" in parts and "data" in parts:
        below = parts[parts.index("data") + 1 :]
        return len(below) == 1 or below[0] in AWS_SERVICES
    if "kubernetes/client/api" in str(path.parent):
        # The calls of the client that blocks; ours is kubernetes.aio.
        return False
    return "__pycache__" not in parts


def take_environment(root: Root, environment: Path) -> None:
    """Copy the environment and the interpreter that it stands on."""
    for path in sorted(environment.rglob("*")):
        if (path.is_symlink() or path.is_file()) and is_needed(path):
            root.take(path)
    for name in ("stdlib", "platstdlib"):
        root.take_tree(Path(sysconfig.get_path(name)), NOT_NEEDED)


def take_libraries(root: Root) -> None:
    """Copy what the collected programs and libraries load, until nothing is missing."""
    pending = [path for path in root.files() if is_elf(root.at(path))]
    seen: set[Path] = set()
    for path in pending:
        for library in libraries(path):
            if library not in seen:
                seen.add(library)
                root.take(library)
    beside = next(library.parent for library in seen if library.name.startswith("libc.so"))
    for name in ALSO_LOADED:
        root.take(beside / name)
    # Lists libraries outside the default paths, such as those of a Python in /usr/local.
    root.take(Path("/etc/ld.so.cache"))


def write_certificates(root: Root) -> None:
    """Write the authorities as one file, where the interpreter's OpenSSL looks for it.

    They come from the package and not from /etc, where a build may show its network's own.
    """
    bundle = root.at(BUNDLE)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    texts = [path.read_text(encoding="ascii") for path in sorted(AUTHORITIES.glob("*.crt"))]
    if not texts:
        raise RuntimeError(f"{AUTHORITIES} is empty: the base needs the package ca-certificates")
    bundle.write_text("".join(f"{text.rstrip()}\n" for text in texts), encoding="ascii")
    sought = root.at(Path(ssl.get_default_verify_paths().openssl_cafile))
    if not os.path.lexists(sought):
        sought.parent.mkdir(parents=True, exist_ok=True)
        sought.symlink_to(BUNDLE)


def compile_all(root: Root) -> None:
    """Write bytecode that carries no times: the root is read-only when it runs."""
    for path in root.files():
        if path.suffix == ".py" and not any(part in str(path.parent) for part in NOT_COMPILED):
            # Templates of code generators and files for Python 2 are no fault.
            py_compile.compile(
                str(root.at(path)),
                dfile=str(path),
                quiet=2,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


def take_package_notes(root: Root) -> None:
    """Keep what dpkg knows of the packages that files came from, and their licences.

    Scanners of images read var/lib/dpkg/status.d, as in other images without dpkg itself.
    """
    if shutil.which("dpkg-query") is None:
        return
    files = [path for path in root.files() if path.is_relative_to("/usr")]
    # Before /lib became a link to /usr/lib, packages owned files under its name.
    asked = [str(name) for path in files for name in (path, Path("/") / path.relative_to("/usr"))]
    done = subprocess.run(
        ["dpkg-query", "--search", *asked], capture_output=True, text=True, check=False
    )
    names = {line.partition(": ")[0] for line in done.stdout.splitlines()}
    for name in sorted(names | {"ca-certificates"}):
        said = subprocess.run(
            ["dpkg-query", "--status", name], capture_output=True, text=True, check=True
        )
        note = root.at(Path("/var/lib/dpkg/status.d") / name.partition(":")[0])
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(said.stdout)
        licence = Path("/usr/share/doc") / name.partition(":")[0] / "copyright"
        if licence.exists():
            root.take(licence)


def settle(root: Root) -> None:
    """Give every file the same time, and only programs the mode of one."""
    for path in [root.target, *root.target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(
                0o755 if path.is_dir() or path.parent.name == "bin" or is_elf(path) else 0o644
            )
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    (root.target / "tmp").chmod(0o1777)


def main() -> None:
    """Collect the root of the environment and the target on the command line."""
    environment, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True)
    root = Root(target)
    take_environment(root, environment)
    take_libraries(root)
    write_certificates(root)
    for name, text in FILES.items():
        root.at(Path("/") / name).write_text(text)
    for name in FOLDERS:
        (target / name).mkdir(parents=True, exist_ok=True)
    root.take(Path("/etc/os-release"))
    take_package_notes(root)
    compile_all(root)
    settle(root)
    size = sum(root.at(path).stat().st_size for path in root.files())
    sys.stdout.write(f"{target}: {size / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main()
