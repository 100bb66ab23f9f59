from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from alur.aws.custom_resource import ResourceAnswer, ResourceRequest, send
from alur.errors import DeployError


class Listener:
    """CloudFormation's end of the ResponseURL: answers with the given statuses, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[str, dict[str, str], Any]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.received.append((self.path, headers, json.loads(body)))
                self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/answer?signature=secret"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.stop()


def request_to(url: str, **properties: Any) -> ResourceRequest:
    return ResourceRequest.parse(
        {
            "RequestType": "Create",
            "ResponseURL": url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "JobCode",
            "ResourceType": "Custom::JobCode",
            "ResourceProperties": properties,
        }
    )


def test_a_success_is_answered_with_the_attributes(listener: Listener) -> None:
    send(request_to(listener.url), ResourceAnswer("name", None, {"ArchiveUri": "s3://a"}))
    ((path, headers, body),) = listener.received
    assert path == "/answer?signature=secret"
    # S3 would refuse a type that the URL is not signed with.
    assert headers["content-type"] == ""
    assert body == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "name",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "JobCode",
        "Data": {"ArchiveUri": "s3://a"},
    }


def test_a_failure_is_answered_with_its_reason_cut_to_what_fits(listener: Listener) -> None:
    send(request_to(listener.url), ResourceAnswer("name", "why " * 5000, {}))
    ((_, _, body),) = listener.received
    assert body["Status"] == "FAILED"
    assert body["Reason"].startswith("why why")
    assert len(json.dumps(body)) < 4096


def test_an_answer_that_is_refused_for_a_moment_is_sent_again(listener: Listener) -> None:
    listener.statuses = [503, 500]
    waits: list[float] = []
    send(request_to(listener.url), ResourceAnswer("name", None, {}), sleep=waits.append)
    assert len(listener.received) == 3
    assert waits == [1.0, 2.0]


def test_an_answer_that_cannot_be_delivered_raises_without_the_signed_url(listener: Listener) -> None:
    listener.statuses = [403] * 4
    with pytest.raises(DeployError, match="403") as raised:
        send(request_to(listener.url), ResourceAnswer("name", None, {}), sleep=lambda _: None)
    assert "secret" not in str(raised.value)
    assert len(listener.received) == 4


def test_numbers_arrive_as_text_and_are_read_as_numbers() -> None:
    request = request_to("http://127.0.0.1", MaxVcpu="16", Name="n")
    assert request.whole("MaxVcpu") == 16
    assert request.text("Name") == "n"


def test_a_property_that_is_missing_or_no_number_is_named() -> None:
    request = request_to("http://127.0.0.1", MaxVcpu="many")
    with pytest.raises(DeployError, match="MaxMemoryGb is missing"):
        request.text("MaxMemoryGb")
    with pytest.raises(DeployError, match="MaxVcpu is 'many'"):
        request.whole("MaxVcpu")
