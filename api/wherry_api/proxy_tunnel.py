"""Reaching a server through the HTTP proxy that the environment names, by CONNECT."""

import asyncio
import socket
from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

MAX_ANSWER_BYTES: Final = 16_384


def proxy_for(scheme: str, authority: str) -> str | None:
    """Return the proxy's URL by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None: without one."""
    return None if proxy_bypass(authority) else getproxies().get(scheme)


async def open_to(host: str, port: int, proxy: str) -> socket.socket:
    """Return a socket that leads to ``host`` (RFC 9110, section 9.3.6); raises OSError."""
    loop, parts = asyncio.get_running_loop(), urlsplit(proxy)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"host: {target}"]
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"proxy-authorization: Basic {b64encode(secret).decode()}")
    found = await loop.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    tunnel = socket.socket(family, kind, protocol)
    try:
        tunnel.setblocking(False)
        await loop.sock_connect(tunnel, address)
        await loop.sock_sendall(tunnel, "\r\n".join([*lines, "", ""]).encode())
        answer = b""
        # Nothing follows the answer: at the other end it is the client who speaks first.
        while b"\r\n\r\n" not in answer:
            received = await loop.sock_recv(tunnel, MAX_ANSWER_BYTES)
            answer += received
            if not received or len(answer) > MAX_ANSWER_BYTES:
                raise OSError("the proxy gives no answer to CONNECT")
        status = answer.split(None, 2)[1]
        if status != b"200":
            raise OSError(
                f"the proxy refuses CONNECT with status {status.decode(errors='replace')}"
            )
    except BaseException:
        tunnel.close()
        raise
    return tunnel
