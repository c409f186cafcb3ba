"""An authority and a certificate for 127.0.0.1, made by the openssl command, for servers that speak TLS in tests."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

EXTENSIONS = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n"


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form."""

    authority: Path
    certificate: Path
    key: Path


def missing() -> str | None:
    """Why certificates can't be made here, or None."""
    return None if shutil.which("openssl") else "needs the openssl command"


def make(folder: Path) -> Certificates:
    """A new authority and a certificate of it, valid for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    request, key, certificate = folder / "server.csr", folder / "server.key", folder / "server.pem"
    extensions = folder / "server.ext"
    extensions.write_text(EXTENSIONS, encoding="ascii")
    new_key = ("-newkey", "rsa:2048", "-nodes")
    _openssl(
        "req", "-x509", *new_key, "-keyout", authority_key, "-out", authority, "-days", "1", "-subj", "/CN=test authority",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    _openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    _openssl(
        "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-out", certificate,
        "-days", "1", "-extfile", extensions,
    )  # fmt: skip
    return Certificates(authority, certificate, key)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
