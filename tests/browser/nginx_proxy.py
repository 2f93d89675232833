"""A real nginx in front of the API that buffers streams or passes them through."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster import ports
from tests.harness.processes import ComponentProcess, answers, base_environment
from tests.harness.waiting import eventually_blocking

CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {target};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_read_timeout 3600s;
            {buffering}
        }}
    }}
}}
"""
BUFFERS = """
            proxy_ignore_headers X-Accel-Buffering;
            gzip on;
            gzip_proxied any;
            gzip_types text/event-stream;"""
"""Compression buffers a stream until it ends, if the API's header is ignored."""
PASSES_THROUGH = "proxy_buffering off;"


class NginxProxy:
    """The running proxy."""

    def __init__(self, program: str, folder: Path, target: str) -> None:
        self._folder = folder
        self._target = target
        self._port = ports.free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._file = folder / "nginx.conf"
        self.process = ComponentProcess(
            "nginx",
            [program, "-e", "stderr", "-p", str(folder), "-c", str(self._file)],
            base_environment(),
            folder / "nginx.log",
        )

    def start(self, *, buffers: bool) -> None:
        """Start it, or restart it with the other behaviour; open connections are closed."""
        if self.process.running:
            self.process.end()
        self._file.write_text(
            CONFIGURATION.format(
                folder=self._folder,
                port=self._port,
                target=self._target,
                buffering=BUFFERS if buffers else PASSES_THROUGH,
            )
        )
        self.process.start()
        eventually_blocking("nginx to answer", lambda: answers(f"{self.url}/health"), within=20)


@contextmanager
def nginx_proxy(folder: Path, target: str) -> Iterator[NginxProxy]:
    """Yield a proxy in front of ``target``; the test starts it."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    proxy = NginxProxy(program, folder, target)
    try:
        yield proxy
    finally:
        proxy.process.end()
