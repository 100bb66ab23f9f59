"""The log of a run's driver, as EMR Serverless leaves it in the artifacts bucket.

The latest part is `…/SPARK_DRIVER/stdout.gz`, which EMR writes anew about every 15 seconds while the run goes; parts of
128 MB before it are below `…/SPARK_DRIVER/archived/`, numbered
(https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/rotating-logs.html). All of them together are the log.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from alur.aws.asking import Refusal, ask
from alur.aws.jobs import TERMINAL_STATES
from alur.aws.storage import Storage
from alur.clock import Clock, utc_now
from alur.errors import SubmitRefused, SubmitUnknown
from alur.ledger.model import FileVersion

REFRESH_SECONDS = 15
"""How often EMR writes the latest part of a log anew."""

_NEWEST_WITHIN = (timedelta(days=1), timedelta(days=30))
# Documented as archived/stdout_INDEX.gz, and seen as archived/stdout/stdout_INDEX.gz. Alur asks for no attempts, which
# have folders of their own.
_PART = re.compile(
    r"(?:attempts/(?P<attempt>\d+)/)?SPARK_DRIVER/(?:archived/(?:.*/)?)?"
    r"(?P<stream>stdout|stderr)(?:_(?P<number>\d+))?\.gz"
)


class Stream(StrEnum):
    """Which of a driver's two logs."""

    STDOUT = "stdout"  # what Alur says, a JSON object a line
    STDERR = "stderr"  # what Spark says


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What EMR says of a run.

    Attributes:
        run_id: its id.
        name: what it was called when it was submitted.
        state: SUBMITTED to SUCCESS, FAILED or CANCELLED.
        details: EMR's own sentence about it.
        created_at: when it was submitted.
        ended_at: when it ended; None: it goes on, or EMR does not say.
    """

    run_id: str
    name: str
    state: str
    details: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether the run is over."""
        return self.state in TERMINAL_STATES


class RunLogs:
    """The runs of one application, and their logs.

    Args:
        emr: a boto3 `emr-serverless` client.
        storage: S3.
        application_id: the application.
        bucket: the artifacts bucket.
        clock: the present.
    """

    def __init__(self, emr: Any, storage: Storage, application_id: str, bucket: str, clock: Clock = utc_now) -> None:
        self._emr = emr
        self._storage = storage
        self._application_id = application_id
        self._bucket = bucket
        self._clock = clock
        self._texts: dict[tuple[str, str], bytes] = {}

    def newest(self) -> RunFacts | None:
        """Return the run that was submitted last; None: there is none that EMR still knows.

        Raises:
            SubmitRefused: EMR refuses to be asked.
            SubmitUnknown: EMR cannot be asked.
        """
        # EMR does not say in which order it lists runs, so all of a time must be seen: first those of a short one.
        for age in (*_NEWEST_WITHIN, None):
            window = {} if age is None else {"createdAtAfter": self._clock() - age}
            answer = ask(partial(self._list, window))
            runs = self._answered(answer)
            if runs:
                # The list does not say when a run ended.
                return self.find(max(runs, key=lambda run: run["createdAt"])["id"])
        return None

    def find(self, run_id: str) -> RunFacts | None:
        """Return a run; None: the application has none of this id.

        Args:
            run_id: which.

        Raises:
            SubmitRefused: EMR refuses to be asked.
            SubmitUnknown: EMR cannot be asked.
        """
        answer = ask(lambda: self._emr.get_job_run(applicationId=self._application_id, jobRunId=run_id)["jobRun"])
        # An id that is none is refused as invalid.
        if isinstance(answer, Refusal) and answer.code in ("ResourceNotFoundException", "ValidationException"):
            return None
        return _facts(self._answered(answer))

    def read(self, run_id: str, stream: Stream) -> bytes | None:
        """Return all that there is of a driver's log by now; None: nothing has been written yet.

        What has been read once is not fetched again.

        Args:
            run_id: whose.
            stream: which of the two.

        Raises:
            StorageError: S3 cannot be asked.
        """
        prefix = f"logs/applications/{self._application_id}/jobs/{run_id}/"
        parts = {
            order: version
            for page in self._storage.pages(self._bucket, prefix)
            for version in page.objects
            if (order := order_of(version.key.removeprefix(prefix), version.last_modified, stream)) is not None
        }
        if not parts:
            return None
        in_order = [parts[order] for order in sorted(parts)]
        self._texts = {(version.key, version.etag): self._text(version) for version in in_order}
        return b"".join(self._texts.values())

    def _list(self, window: Mapping[str, datetime]) -> list[Mapping[str, Any]]:
        pages = self._emr.get_paginator("list_job_runs").paginate(applicationId=self._application_id, **window)
        return [run for page in pages for run in page["jobRuns"]]

    def _text(self, version: FileVersion) -> bytes:
        known = self._texts.get((version.key, version.etag))
        if known is not None:
            return known
        packed = self._storage.read(self._bucket, version.key)
        return b"" if packed is None else unpack(packed)

    def _answered(self, answer: Any) -> Any:
        if isinstance(answer, Refusal):
            kind = SubmitUnknown if answer.is_unreachable else SubmitRefused
            raise kind(self._application_id, answer.code, answer.detail)
        return answer


def order_of(name: str, modified: datetime | None, stream: Stream) -> tuple[int, bool, float, int] | None:
    """Return where a part of a log stands among the others; None: it is none of this log.

    Args:
        name: its key below the run's.
        modified: when it was written.
        stream: which log.
    """
    match = _PART.fullmatch(name)
    if match is None or match["stream"] != stream:
        return None
    is_latest = match["number"] is None
    # A part that was rotated away is not written again. So their times sort them, whichever way EMR numbers them.
    return int(match["attempt"] or 0), is_latest, modified.timestamp() if modified else 0.0, int(match["number"] or 0)


def unpack(packed: bytes) -> bytes:
    """Return what gzip packed, as far as it goes: one member or several, and the last may be cut off.

    Args:
        packed: an object's bytes.
    """
    unpacked = bytearray()
    while packed:
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(packed)
        except zlib.error:
            # What was readable before is shown; a log is read when something is wrong, and half of it may help.
            break
        packed = member.unused_data
    return bytes(unpacked)


def _facts(run: Mapping[str, Any]) -> RunFacts:
    return RunFacts(
        run_id=run["jobRunId"],
        name=run.get("name") or "",
        state=run["state"],
        details=run.get("stateDetails") or "",
        created_at=run["createdAt"],
        ended_at=run.get("endedAt") or (run.get("updatedAt") if run["state"] in TERMINAL_STATES else None),
    )
