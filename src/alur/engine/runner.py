"""`PipelineRunner`: a pipeline from its loads to what was written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from alur.decorators import Pipeline, find_pipeline
from alur.engine.adapter import AWSAdapter
from alur.engine.pipelines import call
from alur.engine.writing import WriteResult, failures_of
from alur.errors import ReadFailed
from alur.ingestion.loads import Load, current_since, current_workplace, gathering_loads

logger = logging.getLogger(__name__)

_READS = 3
"""How often a pipeline is run anew because files could not be read: those are failed then, and the others go on."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a pipeline's run came to.

    Attributes:
        pipeline: its name.
        table: its target's ingestion key.
        files: files whose rows it brought into the table.
        rows: of those.
        listed: files that its loads' globs mean.
        skipped: of those, how many it left alone: completed before, failed before, held by others, or passed over.
        passed_over: of the skipped, how many are older than the table's watermark, or than `since`.
        held: of the skipped, how many others are ingesting.
        failed: files that failed in it: (path, kind of error, message).
        failed_before: of the skipped, those that had failed before and are not tried again before something changes.
        seconds: how long it took.
        message: why there was nothing to read; None: there was.
    """

    pipeline: str
    table: str
    files: int
    rows: int
    listed: int
    skipped: int
    passed_over: int
    held: int
    failed: tuple[tuple[str, str, str], ...]
    failed_before: tuple[tuple[str, str, str], ...]
    seconds: float
    message: str | None

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        document = asdict(self)
        for name, failures in (("failed", self.failed), ("failed_before", self.failed_before)):
            document[name] = [
                {"file_path": path, "error_type": kind, "error_message": message} for path, kind, message in failures
            ]
        return document


class PipelineRunner:
    """Runs pipelines.

    Args:
        adapter: the deployment that they run in.
        package: where pipelines are declared.
        progress: told `reading` and `publishing`.
    """

    def __init__(
        self, adapter: AWSAdapter, package: str = "pipelines", progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._adapter = adapter
        self._package = package
        self._progress = progress

    def run_pipeline(self, name: str, *, since: Any = None) -> RunResult:
        """Run a pipeline: load, transform, write.

        Whatever it raises, nothing of it is published then, and what it claimed is free.

        Args:
            name: the function's name.
            since: its loads pass files over whose S3 date is earlier (an aware datetime); None: those before the
                table's watermark.

        Raises:
            PipelineError: there is no such pipeline, or it returned no DataFrame.
            AlurError: see `load_to_bronze` and `AWSAdapter.write_table`.
        """
        pipeline = find_pipeline(name, self._package)
        began = time.monotonic()
        unreadable: list[tuple[str, str, str]] = []
        for attempt in range(1, _READS + 1):
            with self._running(since) as loads:
                try:
                    result = self._run(pipeline, loads)
                except ReadFailed:
                    # The files at fault have failed by name; without them the others can be read.
                    if attempt == _READS or not any(load.failed for load in loads):
                        raise
                    logger.warning("the pipeline %s is run again, without the files that cannot be read", name)
                    unreadable += failures_of(loads)
                    continue
                return _report(pipeline, loads, result, unreadable, time.monotonic() - began)
        raise AssertionError("the loop returns or raises")

    def _run(self, pipeline: Pipeline, loads: Sequence[Load]) -> WriteResult:
        try:
            self._progress("reading")
            rows = call(pipeline, self._adapter.read_table)
            self._progress("publishing")
            return self._adapter.write_table(rows, pipeline.target)
        except BaseException as error:
            for load in loads:
                load.release(f"the pipeline {pipeline.name} failed: {error}")
            raise
        finally:
            for load in loads:
                load.release(f"the pipeline {pipeline.name} did not return what it loaded")

    @contextmanager
    def _running(self, since: Any) -> Iterator[list[Load]]:
        place, moment = current_workplace.set(self._adapter.place), current_since.set(since)
        try:
            with gathering_loads() as loads:
                yield loads
        finally:
            current_workplace.reset(place)
            current_since.reset(moment)


def _report(
    pipeline: Pipeline,
    loads: Sequence[Load],
    result: WriteResult,
    unreadable: Sequence[tuple[str, str, str]],
    seconds: float,
) -> RunResult:
    surveys = [load.survey for load in loads]
    # What failed in an earlier turn of this very run, the last turn found failed before.
    now_failed = {path for path, _, _ in unreadable}
    before = tuple(
        (file.path, file.error_type, file.reason)
        for survey in surveys
        for file in survey.failed
        if file.path not in now_failed
    )
    unwritten = tuple(failure for failure in (*unreadable, *failures_of(loads)) if failure not in result.failed)
    messages = [load.message for load in loads if load.message]
    run = RunResult(
        pipeline=pipeline.name,
        table=pipeline.contract.ingestion_key,
        files=result.files,
        rows=result.rows,
        listed=sum(survey.listed for survey in surveys),
        skipped=sum(survey.skipped - sum(file.path in now_failed for file in survey.failed) for survey in surveys),
        passed_over=sum(survey.passed_over for survey in surveys),
        held=sum(len(survey.held) for survey in surveys),
        failed=(*result.failed, *unwritten),
        failed_before=before,
        seconds=round(seconds, 3),
        message=" ".join(dict.fromkeys(messages)) if messages and not result.files and not result.failed else None,
    )
    logger.info(
        "%s: %d files, %d rows, %d skipped, %d failed",
        run.pipeline,
        run.files,
        run.rows,
        run.skipped,
        len(run.failed),
        extra={"ingestion_key": run.table, "files": run.files, "rows": run.rows, "skipped": run.skipped},
    )
    return run
