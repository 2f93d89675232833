"""Static files, held in memory, each with its Content-Security-Policy.

Starlette's StaticFiles would not do: its ETag is made of size and modification time, which are
equal for different contents in images with fixed times; it does not compress, and reads the disk
in a thread for each request.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The names do not change with the content, so browsers revalidate; mostly with a 304.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
CLOSED: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
"""Content-Security-Policy (W3C CSP Level 3) without other hosts and inline code."""


@dataclass(frozen=True)
class StaticFile:
    """One file, ready to send."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str
    policy: str
    """The Content-Security-Policy header."""

    def answer(self, tags: str, encodings: str) -> Response:
        """Return the response to a request with these If-None-Match and Accept-Encoding headers."""
        headers = {**HEADERS, "Content-Security-Policy": self.policy, "ETag": self.tag}
        if self.tag in (tag.strip().removeprefix("W/") for tag in tags.split(",")):
            return Response(status_code=304, headers=headers)
        if "gzip" in encodings:
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def read(folder: Path, *, document: str, below: str, policy: str) -> dict[str, StaticFile]:
    """Return the files of ``folder`` by URL path; empty when the folder does not exist.

    index.html is served at ``document``, every other file at ``below`` and its name.
    """
    files: dict[str, StaticFile] = {}
    for file in sorted(folder.glob("*")):
        if file.suffix not in TYPES:
            continue
        content = file.read_bytes()
        files[document if file.name == "index.html" else f"{below}{file.name}"] = StaticFile(
            content=content,
            compressed=gzip.compress(content, mtime=0),
            media_type=TYPES[file.suffix],
            tag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
            policy=policy,
        )
    return files


def serve(app: FastAPI, files: Mapping[str, StaticFile]) -> None:
    """Serve ``files``, outside the OpenAPI document."""

    async def answer(request: Request) -> Response:
        headers = request.headers
        return files[request.url.path].answer(
            headers.get("if-none-match", ""), headers.get("accept-encoding", "")
        )

    for path in files:
        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
