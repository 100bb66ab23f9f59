"""moto's server on a free port of the loopback: S3, SQS, Glue, EventBridge, SNS and IAM of the local stack."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Iterator
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from alur.local.glue import install_compare_and_set

HOST = "127.0.0.1"


class _Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(create_backend_app)
        # For each request it lists the directory of moto's modules, which takes a quarter of the request's time.
        self._backend_for_host = functools.lru_cache(maxsize=1024)(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the service that a host stands for."""
        return self._backend_for_host(host)


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]
    # Headers and body leave in two small writes: with Nagle's algorithm the second waits for the client's delayed
    # acknowledgement, 40 ms on Linux.
    disable_nagle_algorithm = True

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Say nothing: hundreds of requests a file are no news."""


@contextlib.contextmanager
def moto_server(port: int = 0) -> Iterator[str]:
    """Run the server in a thread of this process until the block ends. What it holds is global to the process.

    Args:
        port: the port to listen on; 0 takes a free one.

    Yields:
        Its URL.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    uninstall = install_compare_and_set()
    server = make_server(HOST, port, _Dispatcher(), threaded=True, request_handler=_RequestHandler)
    # Each connection has a thread; one that a client keeps open must not keep the process alive.
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        uninstall()
