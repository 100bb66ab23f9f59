from __future__ import annotations

import gzip
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from alur.aws.clients import client
from alur.aws.run_logs import RunLogs, Stream, order_of, unpack
from alur.aws.storage import Storage
from alur.errors import SubmitRefused, SubmitUnknown

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Emr:
    """Runs by id with their times, in an order that says nothing."""

    def __init__(self, runs: dict[str, datetime], error: Exception | None = None) -> None:
        self.runs = runs
        self.error = error
        self.windows: list[datetime | None] = []

    def get_paginator(self, name: str) -> Emr:
        assert name == "list_job_runs"
        return self

    def paginate(self, applicationId: str, createdAtAfter: datetime | None = None) -> Any:
        if self.error:
            raise self.error
        self.windows.append(createdAtAfter)
        for run_id, created in self.runs.items():
            if createdAtAfter is None or created > createdAtAfter:
                yield {"jobRuns": [{"id": run_id, "createdAt": created}]}

    def get_job_run(self, applicationId: str, jobRunId: str) -> Any:
        if self.error:
            raise self.error
        run = {"jobRunId": jobRunId, "state": "SUCCESS", "createdAt": self.runs[jobRunId], "updatedAt": NOW}
        return {"jobRun": run}


def logs_of(emr: Any, storage: Any = None, bucket: str = "artifacts") -> RunLogs:
    return RunLogs(emr, storage, "app", bucket, clock=lambda: NOW)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetJobRun")


class TestRuns:
    def test_the_newest_is_found_whatever_the_order_of_the_list(self):
        emr = Emr({f"r{hours}": NOW - timedelta(hours=hours) for hours in (5, 1, 3, 30)})
        found = logs_of(emr).newest()
        assert found is not None
        assert (found.run_id, found.has_ended, found.ended_at) == ("r1", True, NOW)
        assert emr.windows == [NOW - timedelta(days=1)]

    def test_older_ones_are_listed_only_where_there_is_no_newer_one(self):
        emr = Emr({"old": NOW - timedelta(days=100)})
        found = logs_of(emr).newest()
        assert found is not None
        assert found.run_id == "old"
        assert emr.windows == [NOW - timedelta(days=1), NOW - timedelta(days=30), None]

    def test_an_application_without_runs_has_no_newest_one(self):
        assert logs_of(Emr({})).newest() is None

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
    def test_a_run_that_is_not_there_is_none(self, code):
        assert logs_of(Emr({}, refusal(code))).find("nope") is None

    def test_a_refusal_is_no_run_that_is_not_there(self):
        with pytest.raises(SubmitRefused):
            logs_of(Emr({}, refusal("AccessDeniedException"))).find("r")
        with pytest.raises(SubmitUnknown):
            logs_of(Emr({}, EndpointConnectionError(endpoint_url="https://x"))).newest()


class TestParts:
    @pytest.mark.parametrize(
        "name",
        [
            "SPARK_EXECUTOR/1/stdout.gz",
            "SPARK_DRIVER/stderr.gz",
            "SPARK_DRIVER/stdout",
            "SPARK_DRIVER/other/stdout.gz",
            "sparklogs/eventlog.gz",
        ],
    )
    def test_what_is_no_part_of_the_drivers_log_is_left_out(self, name):
        assert order_of(name, NOW, Stream.STDOUT) is None

    @pytest.mark.parametrize("folder", ["archived", "archived/stdout"])
    def test_what_was_rotated_away_stands_before_the_latest_part(self, folder):
        later = NOW + timedelta(seconds=1)
        parts = {
            "SPARK_DRIVER/stdout.gz": NOW,
            f"SPARK_DRIVER/{folder}/stdout_10.gz": later,
            f"SPARK_DRIVER/{folder}/stdout_9.gz": NOW,
        }
        in_order = sorted(parts, key=lambda name: order_of(name, parts[name], Stream.STDOUT) or ())
        assert [name.rpartition("/")[2] for name in in_order] == ["stdout_9.gz", "stdout_10.gz", "stdout.gz"]

    def test_parts_of_one_moment_are_sorted_by_number(self):
        names = [f"SPARK_DRIVER/archived/stderr_{number}.gz" for number in (10, 2, 1)]
        in_order = sorted(names, key=lambda name: order_of(name, NOW, Stream.STDERR) or ())
        assert in_order == names[::-1]


class TestUnpacking:
    def test_several_members_are_one_text(self):
        assert unpack(gzip.compress(b"one\n") + gzip.compress(b"two\n")) == b"one\ntwo\n"

    def test_of_a_file_that_is_cut_off_all_that_is_there_is_read(self):
        text = b"".join(b"line %d\n" % number for number in range(10_000))
        unpacked = unpack(gzip.compress(text)[:-500])
        assert text.startswith(unpacked)
        assert len(unpacked) > len(text) / 2

    @pytest.mark.parametrize("packed", [b"", b"no gzip at all"])
    def test_what_is_no_gzip_is_nothing(self, packed):
        assert unpack(packed) == b""


class TestReading:
    @pytest.fixture
    def put(self, aws_servers):
        bucket = f"artifacts-{uuid.uuid4().hex[:8]}"
        client("s3").create_bucket(Bucket=bucket)

        def put(name: str, text: str) -> str:
            key = f"logs/applications/app/jobs/r1/SPARK_DRIVER/{name}"
            client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(text.encode()))
            return bucket

        return put

    def test_all_parts_are_one_log(self, put):
        put("archived/stdout_1.gz", "one\n")
        put("archived/stdout_2.gz", "two\n")
        put("stderr.gz", "spark\n")
        put("../SPARK_EXECUTOR/1/stdout.gz", "executor\n")
        logs = logs_of(Emr({}), Storage(client("s3")), put("stdout.gz", "three\n"))
        assert logs.read("r1", Stream.STDOUT) == b"one\ntwo\nthree\n"
        assert logs.read("r1", Stream.STDERR) == b"spark\n"

    def test_no_log_yet_is_not_an_empty_log(self, put):
        logs = logs_of(Emr({}), Storage(client("s3")), put("stdout.gz", ""))
        assert logs.read("r1", Stream.STDOUT) == b""
        assert logs.read("r1", Stream.STDERR) is None
        assert logs.read("r2", Stream.STDOUT) is None

    def test_only_what_changed_is_fetched_again(self, put, monkeypatch):
        put("archived/stdout_1.gz", "one\n")
        storage = Storage(client("s3"))
        logs = logs_of(Emr({}), storage, put("stdout.gz", "two\n"))
        fetched: list[str] = []
        read = storage.read
        monkeypatch.setattr(storage, "read", lambda bucket, key: (fetched.append(key), read(bucket, key))[1])
        logs.read("r1", Stream.STDOUT)
        put("stdout.gz", "two\nthree\n")
        assert logs.read("r1", Stream.STDOUT) == b"one\ntwo\nthree\n"
        assert [key.rpartition("/")[2] for key in fetched] == ["stdout_1.gz", "stdout.gz", "stdout.gz"]
