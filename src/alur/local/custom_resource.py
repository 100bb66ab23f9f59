"""A custom resource, created as CloudFormation does it: a request to the function, whose answer comes by HTTP PUT."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from alur.errors import LocalStackError
from alur.local.functions import FunctionFailed
from alur.local.intrinsics import Created
from alur.local.template import StackIdentity

_ANSWER_SECONDS = 120.0


def create_custom_resource(
    function: Callable[[Mapping[str, Any]], Any],
    logical_id: str,
    kind: str,
    properties: Mapping[str, Any],
    stack: StackIdentity,
) -> Created:
    """Ask the function to create the resource, and wait for its answer.

    Args:
        function: the function that the ServiceToken names.
        logical_id: the resource's name in the template.
        kind: its type, `Custom::…`.
        properties: its properties, resolved.
        stack: the stack that it belongs to.

    Raises:
        LocalStackError: the function failed, answered FAILED, or did not answer.
    """
    with _listener(stack.name) as (url, answers):
        request = {
            "RequestType": "Create",
            "ResponseURL": url,
            "StackId": stack.stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": kind,
            "LogicalResourceId": logical_id,
            "ServiceToken": properties["ServiceToken"],
            "ResourceProperties": _as_text(properties),
        }
        try:
            function(request)
            answer = answers.get(timeout=_ANSWER_SECONDS)
        except FunctionFailed as error:
            raise LocalStackError(logical_id, f"{error}; see its log under .alur/local/logs") from error
        except queue.Empty:
            raise LocalStackError(logical_id, "the function sent no answer to CloudFormation") from None
    if answer.get("Status") != "SUCCESS":
        raise LocalStackError(logical_id, f"the function answered {answer.get('Status')}: {answer.get('Reason')}")
    return Created(str(answer["PhysicalResourceId"]), answer.get("Data") or {})


@contextlib.contextmanager
def _listener(path: str) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    answers: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            answers.put(json.loads(body))

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{path}", answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _as_text(value: Any) -> Any:
    # CloudFormation sends every scalar of the properties as a string.
    if isinstance(value, Mapping):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
