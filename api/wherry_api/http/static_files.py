"""Files that the API serves as they are: held in memory, each with its policy."""

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
    # The names are fixed, so browsers ask each time; the answer is mostly a 304.
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
"""Content-Security-Policy (W3C CSP Level 3) that lets nothing from elsewhere in, nor inline."""


@dataclass(frozen=True)
class StaticFile:
    """One file, ready to be sent."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str
    policy: str
    """Its Content-Security-Policy."""

    def answer(self, tags: str, encodings: str) -> Response:
        """Return the response for a request with these If-None-Match and Accept-Encoding."""
        headers = {**HEADERS, "Content-Security-Policy": self.policy, "ETag": self.tag}
        if self.tag in (tag.strip().removeprefix("W/") for tag in tags.split(",")):
            return Response(status_code=304, headers=headers)
        if "gzip" in encodings:
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def read(folder: Path, *, document: str, below: str, policy: str) -> dict[str, StaticFile]:
    """Return the files of ``folder`` by their URL path; empty where there is no such folder.

    index.html is served at ``document``, the others at ``below`` and their names.
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
    """Serve ``files``; they are no part of the API's description."""

    async def answer(request: Request) -> Response:
        headers = request.headers
        return files[request.url.path].answer(
            headers.get("if-none-match", ""), headers.get("accept-encoding", "")
        )

    for path in files:
        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
