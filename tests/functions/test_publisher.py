from __future__ import annotations

import importlib.util
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from alur.aws.clients import client
from alur.aws.custom_resource import ResourceAnswer, ResourceRequest
from alur.errors import DeployError
from alur.local.environment import Endpoints
from bucket_support import delete_bucket

BUCKET = "publisher-function-artifacts"
APP = Path(__file__).parents[2] / "functions" / "publisher" / "app.py"


class Context:
    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 270_000


class Publisher:
    """The handler, with S3 by moto, and with what it answers and stops written down."""

    def __init__(self, module: ModuleType, s3: Any) -> None:
        self.module = module
        self.s3 = s3
        self.answers: list[ResourceAnswer] = []
        self.stopped: list[tuple[str, float]] = []

    def ask(self, kind: str, *, physical_id: str | None = None, **properties: str) -> ResourceAnswer:
        event: dict[str, Any] = {
            "RequestType": kind,
            "ResponseURL": "http://127.0.0.1/",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "JobCode",
            "ResourceProperties": {
                "ServiceToken": "arn",
                "ArtifactsBucket": BUCKET,
                "ApplicationId": "app",
                "MaxVcpu": "16",
                "MaxMemoryGb": "64",
                "MaxConcurrentRuns": "4",
                **properties,
            },
        }
        if physical_id is not None:
            event["PhysicalResourceId"] = physical_id
        before = len(self.answers)
        self.module.handler(event, Context())
        (answer,) = self.answers[before:]
        return answer

    def uploaded(self) -> set[str]:
        return {found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())}


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "opt" / "python" / "alur"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("VERSION = 1\n", encoding="utf-8")
    (tmp_path / "opt" / "main.py").write_text("import alur\n", encoding="utf-8")
    monkeypatch.setenv("ALUR_LAYER_DIRECTORY", str(tmp_path / "opt" / "python"))
    monkeypatch.setenv("ALUR_SPARK_APP_DIRECTORY", str(tmp_path / "opt"))
    return tmp_path / "opt" / "python"


@pytest.fixture
def publisher(layer: Path, aws_servers: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "alur")
    specification = importlib.util.spec_from_file_location("publisher_app_under_test", APP)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    found = Publisher(module, s3)

    class Stopper:
        def __init__(self, client: Any) -> None:
            assert client == "emr-serverless client"

        def stop(self, application_id: str, *, timeout_seconds: float) -> None:
            found.stopped.append((application_id, timeout_seconds))

    def answered(_: ResourceRequest, answer: ResourceAnswer) -> None:
        found.answers.append(answer)

    monkeypatch.setattr(module, "client", lambda service: s3 if service == "s3" else f"{service} client")
    monkeypatch.setattr(module, "ApplicationStopper", Stopper)
    monkeypatch.setattr(module, "send", answered)
    yield found
    delete_bucket(s3, BUCKET)


def test_a_create_publishes_the_code_and_answers_where_it_is(publisher: Publisher) -> None:
    answer = publisher.ask("Create")
    assert answer.reason is None
    archive_uri, entry_point_uri = answer.attributes["ArchiveUri"], answer.attributes["EntryPointUri"]
    assert {f"s3://{BUCKET}/{key}" for key in publisher.uploaded()} == {archive_uri, entry_point_uri}
    key = archive_uri.removeprefix(f"s3://{BUCKET}/")
    archive = publisher.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        assert tar.getnames() == ["alur/__init__.py"]


def test_an_answer_holds_the_share_of_one_run(publisher: Publisher) -> None:
    attributes = publisher.ask("Create").attributes
    assert (attributes["RunVcpu"], attributes["RunMemoryGb"]) == ("4", "16")


def test_an_update_keeps_the_name_and_the_code_of_before(publisher: Publisher, layer: Path) -> None:
    first = publisher.ask("Create")
    before = publisher.uploaded()
    (layer / "alur" / "__init__.py").write_text("VERSION = 2\n", encoding="utf-8")
    second = publisher.ask("Update", physical_id=first.physical_id)
    assert second.physical_id == first.physical_id
    assert second.attributes["ArchiveUri"] != first.attributes["ArchiveUri"]
    assert before < publisher.uploaded()
    assert publisher.stopped == []


def test_a_delete_stops_the_application_within_the_functions_time_and_deletes_no_code(publisher: Publisher) -> None:
    first = publisher.ask("Create")
    before = publisher.uploaded()
    answer = publisher.ask("Delete", physical_id=first.physical_id)
    assert (answer.reason, answer.physical_id) == (None, first.physical_id)
    ((application_id, timeout_seconds),) = publisher.stopped
    assert application_id == "app"
    assert 0 < timeout_seconds < 270
    assert publisher.uploaded() == before


def test_a_delete_of_what_was_never_made_succeeds(publisher: Publisher) -> None:
    answer = publisher.ask("Delete", physical_id="alur-job-code", ApplicationId="")
    assert answer.reason is None
    assert publisher.stopped == []


def test_whatever_fails_is_answered_with_its_reason(publisher: Publisher) -> None:
    answer = publisher.ask("Create", ArtifactsBucket="nowhere")
    assert answer.reason is not None
    assert "NoSuchBucket" in answer.reason
    assert answer.attributes == {}


def test_an_error_that_nobody_foresaw_is_answered_too(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(publisher.module, "pack", fail)
    assert publisher.ask("Create").reason == "MemoryError: no room"


def test_a_capacity_that_holds_no_run_fails_the_deploy(publisher: Publisher) -> None:
    answer = publisher.ask("Create", MaxConcurrentRuns="100")
    assert answer.reason is not None
    assert "MaxConcurrentRuns=100" in answer.reason


def test_old_code_that_cannot_be_marked_fails_no_deploy(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise DeployError("marking", "no")

    monkeypatch.setattr(publisher.module.CodePublisher, "supersede_others", refuse)
    assert publisher.ask("Create").reason is None


def test_a_kind_of_request_that_does_not_exist_is_answered_as_failed(publisher: Publisher) -> None:
    assert "'Rename'" in (publisher.ask("Rename").reason or "")


def test_the_signed_url_is_not_logged(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.ask("Create", ArtifactsBucket="nowhere")
    assert "127.0.0.1" not in capsys.readouterr().out
