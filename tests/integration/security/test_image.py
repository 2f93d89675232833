"""The image: one user without privileges, Python, and no tools for an intruder."""

import json
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from localcluster import imagebuild, paths
from tests.integration.security.image_root import EXTRA, ImageRoot, unpack

TOOLS = ("unshare", "setpriv", "buildah", "debootstrap")
pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
        reason=f"an image is built and entered by root with {', '.join(TOOLS)}",
    ),
    # Without a cache, base and image are built first.
    pytest.mark.timeout(1_200),
]

PROGRAMS = {"python3", "wherry-api", "wherry-operator", "wherry-jobrunner"}
UNWANTED = {
    *("sh", "bash", "dash", "busybox", "env", "ls", "cat", "cp", "chmod", "su", "sudo", "mount"),
    *("apt", "apt-get", "dpkg", "pip", "pip3", "ensurepip", "uv", "npm", "perl", "gcc", "ld"),
    *("curl", "wget", "nc", "ssh", "openssl", "git", "tar", "gdb", "strace"),
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRoot]:
    """The image of the current sources, which the end-to-end tests also use."""
    root = paths.REPOSITORY
    _, archive = imagebuild.build_image(root / "Dockerfile", root)
    folder = tmp_path_factory.mktemp("image")
    yield unpack(archive, folder)
    shutil.rmtree(folder)


def test_its_user_has_no_rights_and_no_shell(image: ImageRoot) -> None:
    assert image.config["User"] == "65532:65532"
    users = (image.folder / "etc/passwd").read_text().splitlines()
    assert {line.rpartition(":")[2] for line in users} == {"/none"}


def test_it_holds_no_program_but_python_and_ours(image: ImageRoot) -> None:
    names = {path.name for path in image.folder.rglob("*") if not path.is_dir()}
    assert not names & UNWANTED
    folders = {path.name for path in image.folder.rglob("*") if path.is_dir()}
    assert not folders & {"ensurepip", "pip", "setuptools", "uv"}
    programs = {
        path.name
        for path in image.files()
        if path.stat().st_mode & 0o111 and ".so" not in path.name
    }
    assert {name.replace("python3.11", "python3") for name in programs} <= {
        *PROGRAMS,
        *(f"python3.{minor}" for minor in range(12, 20)),
    }


def test_nothing_in_it_changes_the_user_or_is_writable(image: ImageRoot) -> None:
    for path in image.folder.rglob("*"):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID), path
        if path != image.folder / "tmp":
            assert not mode & 0o022, path
        assert path.stat().st_uid == 0, path


def test_it_holds_nothing_of_the_machine_that_built_it(image: ImageRoot) -> None:
    bundle = (image.folder / "etc/ssl/certs/ca-certificates.crt").read_text()
    folder = Path("/usr/share/ca-certificates/mozilla")
    if folder.is_dir():
        # About as many as in the package, whose releases change the number.
        own = len(list(folder.glob("*.crt")))
        assert abs(bundle.count("BEGIN CERTIFICATE") - own) <= 20
    assert not list(image.folder.rglob("pip.conf"))
    assert sorted(path.name for path in (image.folder / "etc").iterdir()) == [
        *("group", "ld.so.cache", "nsswitch.conf", "os-release", "passwd", "ssl"),
    ]


@pytest.mark.parametrize("component", ["api", "operator", "jobrunner"])
def test_every_component_starts_in_it(image: ImageRoot, component: str) -> None:
    imported = image.run("python", "-c", f"import wherry_{component}.__main__")
    assert imported.returncode == 0, imported.stderr
    # Without settings each program names the missing ones in one sentence.
    started = image.run(f"wherry-{component}")
    assert started.returncode == 2
    assert "These settings are invalid" in started.stderr


def test_it_runs_as_its_user_and_can_write_only_below_tmp(image: ImageRoot) -> None:
    program = """
import json, os, pwd, ssl, tempfile, uvloop
def refused(path):
    try: open(path, "w")
    except OSError as error: return error.strerror
found = tempfile.TemporaryFile() and [refused(p) for p in ("/x", "/opt/wherry/x", "/etc/passwd")]
print(json.dumps({"uid": os.getuid(), "groups": os.getgroups(), "refused": found,
  "authorities": len(ssl.create_default_context().get_ca_certs()),
  "user": pwd.getpwuid(os.getuid()).pw_name}))
"""
    done = image.run("python", "-c", program)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["uid"] == 65532
    assert not set(report["groups"]) - {65532}
    assert report["refused"] == ["Read-only file system"] * 3
    assert report["authorities"] > 50
    assert report["user"] == "wherry"


class Greeting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<ListAllMyBucketsResult/>")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with its own certificate: the URL and the certificate."""
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, capture_output=True, check=True)
    server = HTTPServer(("127.0.0.1", 0), Greeting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    thread.join()


def test_tls_works_in_it(image: ImageRoot, tls_server: tuple[str, Path]) -> None:
    """The store's client trusts the certificate that AWS_CA_BUNDLE names, and no other."""
    url, certificate = tls_server
    program = f"""
import asyncio
from aiobotocore.session import get_session
async def main():
    async with get_session().create_client("s3", endpoint_url={url!r}) as client:
        print((await client.list_buckets())["ResponseMetadata"]["HTTPStatusCode"])
asyncio.run(main())
"""
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    trusting = {**environment, "AWS_CA_BUNDLE": EXTRA}
    done = image.run("python", "-c", program, environment=trusting, extra=certificate)
    assert done.stdout.strip() == "200", done.stderr
    refused = image.run("python", "-c", program, environment=environment)
    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
