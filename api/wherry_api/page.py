"""The page at /: a few files, held in memory, under a policy that lets nothing from elsewhere in.

The files are built from web/app and lie in this package, so that an installation needs no Node.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Content-Security-Policy (W3C CSP Level 3) of every file."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The names are fixed, so browsers ask each time; the answer is mostly a 304.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class PageFile:
    """One file, ready to be sent."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str

    def answer(self, tags: str, encodings: str) -> Response:
        """Return the response for a request with these If-None-Match and Accept-Encoding."""
        headers = {**HEADERS, "ETag": self.tag}
        if self.tag in (tag.strip().removeprefix("W/") for tag in tags.split(",")):
            return Response(status_code=304, headers=headers)
        if "gzip" in encodings:
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def read(folder: Path = FOLDER) -> dict[str, PageFile]:
    """Return the files by their URL path; empty where the page was not built."""
    files: dict[str, PageFile] = {}
    for file in sorted(folder.glob("*")):
        if file.suffix not in TYPES:
            continue
        content = file.read_bytes()
        path = "/" if file.name == "index.html" else f"/{file.name}"
        files[path] = PageFile(
            content=content,
            compressed=gzip.compress(content, mtime=0),
            media_type=TYPES[file.suffix],
            tag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        )
    return files


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the page's files; they are no part of the API's description."""
    files = read(folder)

    async def serve(request: Request) -> Response:
        headers = request.headers
        return files[request.url.path].answer(
            headers.get("if-none-match", ""), headers.get("accept-encoding", "")
        )

    for path in files:
        app.add_api_route(path, serve, methods=["GET", "HEAD"], include_in_schema=False)
