"""Keys and certificates of one cluster, generated with openssl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import paths, shell

_DAYS = "3650"
_ELLIPTIC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


def authority(directory: Path) -> Pair:
    """Return the cluster's certificate authority; create it if it is missing."""
    pair = Pair(directory / "ca.crt", directory / "ca.key")
    if not (pair.certificate.exists() and pair.key.exists()):
        paths.ensure_dir(directory, 0o700)
        command = ["openssl", "req", "-x509", *_ELLIPTIC, "-days", _DAYS]
        command += ["-subj", "/CN=wherry-local-cluster", "-keyout", str(pair.key)]
        shell.run([*command, "-out", str(pair.certificate)])
    return pair


def signing_pair(directory: Path) -> Pair:
    """Return the key that signs service account tokens, with the public key as the certificate."""
    pair = Pair(directory / "sa.pub", directory / "sa.key")
    if not (pair.certificate.exists() and pair.key.exists()):
        paths.ensure_dir(directory, 0o700)
        make = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        shell.run([*make, "-out", str(pair.key)])
        shell.run(["openssl", "pkey", "-in", pair.key, "-pubout", "-out", pair.certificate])
    return pair


def issue(
    directory: Path,
    name: str,
    *,
    common_name: str,
    groups: Sequence[str] = (),
    alternative_names: Sequence[str] = (),
) -> Pair:
    """Return a certificate from the authority; reissued only if its subject has changed."""
    pair = Pair(directory / f"{name}.crt", directory / f"{name}.key")
    subject = "".join(f"/O={each}" for each in groups) + f"/CN={common_name}"
    extensions = ["extendedKeyUsage=serverAuth,clientAuth"]
    if alternative_names:
        extensions.append(f"subjectAltName={','.join(alternative_names)}")
    made_from = directory / f"{name}.subject"
    description = "\n".join([subject, *extensions, ""])
    current = made_from.read_text(encoding="utf-8") if made_from.exists() else ""
    if description == current and pair.certificate.exists() and pair.key.exists():
        return pair
    ca = authority(directory)
    request = directory / f"{name}.csr"
    ask: list[str | Path] = [
        "openssl",
        "req",
        *_ELLIPTIC,
        "-subj",
        subject,
        "-keyout",
        pair.key,
        "-out",
        request,
    ]
    shell.run(ask)
    extension_file = paths.write(directory / f"{name}.ext", "\n".join([*extensions, ""]))
    sign: list[str | Path] = [
        "openssl",
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        ca.certificate,
        "-CAkey",
        ca.key,
    ]
    sign += ["-CAcreateserial", "-days", _DAYS, "-extfile", extension_file]
    shell.run([*sign, "-out", pair.certificate])
    request.unlink()
    extension_file.unlink()
    paths.write(made_from, description)
    return pair
