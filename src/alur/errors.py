"""Every exception that Alur raises on purpose, in one tree.

    AlurError
    ├── ContractError               a contract class is declared wrongly
    ├── SettingsError               the environment lacks something, or holds nonsense
    ├── DeploymentUnknown           nothing says where things are, or nothing is deployed there      Permanent
    ├── PipelineError               a pipeline is declared wrongly, unknown, or returned nothing     Permanent
    ├── StrictModeError             files broke the contract, and nothing of the load was written   Permanent
    ├── UntrackedDataFrame          whose rows a DataFrame holds cannot be established              Permanent
    ├── LoadLost                    a load's claims were given up before it was written             Transient
    ├── MalformedEvent              an event record that is not what AWS documents
    ├── LedgerError                 the ledger could not be read or written
    │   ├── LedgerUnavailable         try again (throttling, time-outs, 5xx)         Transient
    │   └── LedgerRefused             no access, no such table, an invalid request   Permanent
    ├── StorageError                S3 could not be read or written
    │   ├── StorageUnavailable                                                       Transient
    │   └── StorageRefused                                                           Permanent
    ├── QueueError                  the event queue could not be written
    │   ├── QueueUnavailable                                                         Transient
    │   └── QueueRefused                                                             Permanent
    ├── CatalogError                Glue could not be asked for a table              Transient
    ├── SubmitError                 the job could not be started, or not be asked after
    │   ├── SubmitThrottled           certainly not started                          Transient
    │   ├── SubmitUnknown             the answer was lost: it may have been          Transient
    │   └── SubmitRefused             certainly not started                          Permanent
    ├── FileError                   why one file failed; its neighbours go on
    │   ├── HeaderMismatch                                                           Permanent
    │   ├── EmptyFile                                                                Permanent
    │   ├── FileVanished              the object is gone                             Outside
    │   ├── FileDenied                S3 refuses to hand it out                      Outside
    │   ├── UnstorableRecords                                                        Permanent
    │   ├── UnreadableFile                                                           Permanent
    │   ├── TableRefused              the table cannot take rows of its contract     Outside
    │   ├── ContractNarrowed          the contract drops or narrows a column         Outside
    │   ├── NotReadByPipeline         the table's pipeline did not load or write it  Permanent
    │   ├── KilledRun                 its run died whenever it was read, alone       Permanent
    │   ├── FileUnavailable           S3 failed while it was read                    Transient
    │   ├── RunsFailed                run after run could not finish with its batch  Transient
    │   ├── FileChanged               another version came while this one was read   Excused
    │   ├── Released                  the load that had claimed it ended without it  Excused
    │   ├── Requested                 a person wants it read again                   Excused
    │   ├── Lapsed                    the session that had claimed it is gone        Excused
    │   └── RunsNeverBegan            run after run ended before it began            Excused
    ├── ReadNotExact                Spark would read a file of the batch twice           Permanent
    ├── ReadFailed                  Spark could not read, and no file could be named     Transient
    ├── PublishError                the table could not be written
    │   ├── CommitRefused             somebody published a path of this batch        Transient
    │   ├── CommitUnknown             the catalog's answer was lost                  Transient
    │   ├── TableUnsupported          the table's settings or columns rule it out    Permanent
    │   └── PlatformUnsupported       this Iceberg lacks what publishing needs       Permanent
    ├── DeployError                 a deploy or a delete of the deployment cannot go on      Permanent
    └── LocalStackError             the local stack cannot start, or a part of it died

Whether trying again can help is a type, not a list of names: `Transient` and `Permanent` are mixed in; `Excused` is
transient and costs the file no attempt; `Outside` is permanent for a cause that does not lie in the file. A class
carries the facts as attributes, and its message is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Transient(Exception):
    """Trying the same again later may succeed without anybody changing anything."""


class Excused(Transient):
    """Transient, and nothing that the file is to blame for: it costs no attempt."""


class Permanent(Exception):
    """Trying the same again fails again, until the file, the contract, or a person changes something."""


class Outside(Permanent):
    """Permanent, and not for what the file holds: an event that names the same bytes again is worth another try."""


class AlurError(Exception):
    """The root: catch this to catch everything that Alur raises on purpose."""


class ContractError(AlurError, Permanent):
    """A contract is declared wrongly; raised when its class is created or when contracts are loaded.

    Args:
        contract: the class's name.
        rule: what is wrong and what to write instead.
    """

    def __init__(self, contract: str, rule: str) -> None:
        super().__init__(f"{contract}: {rule}")
        self.contract = contract
        self.rule = rule


class SettingsError(AlurError, Permanent):
    """The environment lacks a setting or holds one that means nothing.

    Args:
        name: the variable's name.
        problem: what is wrong with it and how to set it.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class DeploymentUnknown(AlurError, Permanent):
    """Nothing says where a deployment's things are, or nothing is deployed there.

    Args:
        what: which thing, or which environment.
        problem: what is missing, and every way to say it.
    """

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"{what}: {problem}")
        self.what = what
        self.problem = problem


class MalformedEvent(AlurError, Permanent):
    """An event record that is not one of the shapes that AWS documents.

    Args:
        problem: what is missing or of the wrong type.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class LedgerError(AlurError):
    """The ledger could not be read or written: never an answer about a file.

    Args:
        operation: the DynamoDB operation.
        code: DynamoDB's error code.
        detail: its message.
    """

    def __init__(self, operation: str, code: str, detail: str) -> None:
        super().__init__(f"{operation}: {code}: {detail}")
        self.operation = operation
        self.code = code
        self.detail = detail


class LedgerUnavailable(LedgerError, Transient):
    """Throttled, timed out, or a fault on DynamoDB's side, after the retries."""


class LedgerRefused(LedgerError, Permanent):
    """No access, no such table, or a request that DynamoDB finds invalid."""


class StorageError(AlurError):
    """S3 could not be read or written.

    Args:
        operation: the S3 operation.
        uri: the object or bucket.
        code: S3's error code.
    """

    def __init__(self, operation: str, uri: str, code: str) -> None:
        super().__init__(f"{operation} {uri}: {code}")
        self.operation = operation
        self.uri = uri
        self.code = code


class StorageUnavailable(StorageError, Transient):
    """Throttled, timed out, or a fault on S3's side, after the retries."""


class StorageRefused(StorageError, Permanent):
    """No access, or no such bucket."""


class QueueError(AlurError):
    """The event queue could not be written.

    Args:
        queue_url: the queue.
        code: SQS's error code.
        detail: its message.
    """

    def __init__(self, queue_url: str, code: str, detail: str) -> None:
        super().__init__(f"SendMessageBatch {queue_url}: {code}: {detail}")
        self.queue_url = queue_url
        self.code = code
        self.detail = detail


class QueueUnavailable(QueueError, Transient):
    """Throttled, timed out, or a fault on SQS's side, after the retries; some messages may have been sent."""


class QueueRefused(QueueError, Permanent):
    """No access, no such queue, or a message that SQS finds invalid."""


class CatalogError(AlurError, Transient):
    """Glue could not be asked for a table.

    Args:
        table: `database.table`.
        code: Glue's error code.
        detail: its message.
    """

    def __init__(self, table: str, code: str, detail: str) -> None:
        super().__init__(f"{table}: {code}: {detail}")
        self.table = table
        self.code = code
        self.detail = detail


class SubmitError(AlurError):
    """StartJobRun did not start a run.

    Args:
        application_id: the EMR Serverless application.
        code: the API's error code.
        detail: its message.
    """

    def __init__(self, application_id: str, code: str, detail: str) -> None:
        super().__init__(f"application {application_id}: {code}: {detail}")
        self.application_id = application_id
        self.code = code
        self.detail = detail


class SubmitThrottled(SubmitError, Transient):
    """Certainly not started: over the API's rate or the account's quota."""


class SubmitUnknown(SubmitError, Transient):
    """The answer was lost, or EMR had a fault: the run may have been started. Only the same request may follow."""


class SubmitRefused(SubmitError, Permanent):
    """Certainly not started: the request is invalid, not permitted, or the application is gone."""


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that is of one type in a table, and of another in its contract.

    Args:
        column: its name.
        old: the table's type.
        new: the contract's; None: the contract has no such column.
    """

    column: str
    old: str
    new: str | None

    @property
    def refusal(self) -> str:
        """What is wrong with it where it may not be, and what to do."""
        if self.new is None:
            return (
                f"column {self.column} is {self.old} in the table, and the contract has none of that name; declare it "
                "again, nullable, with a source_name where the files call it otherwise, or drop it from the table "
                "yourself"
            )
        return (
            f"column {self.column} is {self.old} in the table and {self.new} in the contract; declare it "
            f"{self.old} again, and put what needs another type into a column of another name"
        )


class FileError(AlurError):
    """Why one file was not ingested. Its class name is the item's `error_type`, its text the `error_message`.

    Args:
        path: `s3://bucket/key`.
        problem: what is wrong, with the rule that it breaks and the remedy.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker hands it to the driver; the constructors of subclasses take other arguments than the message.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[FileError], arguments: tuple[Any, ...], facts: dict[str, Any]) -> FileError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error


_MOST_NAMES = 30


def visible(text: str) -> str:
    """Return a text of a file as a message shows it: what cannot be seen, as a no-break space, is escaped.

    Args:
        text: any.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    """Return names in a line, the first of many only."""
    rest = len(names) - _MOST_NAMES
    # A name can be as long as a record: a file that is no CSV has such.
    shown = separator.join(visible(name if len(name) <= 100 else f"{name[:100]}…") for name in names[:_MOST_NAMES])
    return f"{shown} and {rest} more" if rest > 0 else shown


class HeaderMismatch(FileError, Permanent):
    """The file's header is not the contract's.

    Args:
        path: `s3://bucket/key`.
        expected: the contract's names, in order.
        found: the file's names, in order.
        missing: the required names that the file lacks; None: all of `expected` that are not in `found`.
        extra: the file's names that the contract does not allow; None: all of `found` that are not in `expected`.
        repeated: the names that the file has more than once.
        suggestions: what may have been meant, a sentence each.
    """

    def __init__(
        self,
        path: str,
        expected: Sequence[str],
        found: Sequence[str],
        *,
        missing: Sequence[str] | None = None,
        extra: Sequence[str] | None = None,
        repeated: Sequence[str] = (),
        suggestions: Sequence[str] = (),
    ) -> None:
        if missing is None:
            missing = [name for name in expected if name not in found]
        if extra is None:
            extra = [name for name in found if name not in expected]
        parts = []
        if missing:
            parts.append(f"missing {_listed(missing)}")
        if extra:
            parts.append(f"not in the contract {_listed(extra)}")
        if repeated:
            parts.append(f"more than once {_listed(repeated)}")
        if not parts:
            parts.append("the same columns in another order, or one of them twice")
        parts.extend(suggestions)
        super().__init__(
            path,
            f"the header breaks the contract ({'; '.join(parts)}); expected {_listed(expected, ',')}; "
            f"found {_listed(found, ',')}; change the file or the contract",
        )
        self.expected = tuple(expected)
        self.found = tuple(found)
        self.missing = tuple(missing)
        self.extra = tuple(extra)
        self.repeated = tuple(repeated)
        self.suggestions = tuple(suggestions)


class EmptyFile(FileError, Permanent):
    """The file has no record, not even a header.

    Args:
        path: `s3://bucket/key`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "the file is empty: not even a header; upload it whole, or delete it")


class FileVanished(FileError, Outside):
    """The object was gone when the job looked.

    Args:
        path: `s3://bucket/key`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "the object is not in the bucket any more; upload it again to have it ingested")


class UnstorableRecords(FileError, Permanent):
    """Records of the file cannot be stored under the contract.

    Args:
        path: `s3://bucket/key`.
        bad_records: how many.
        all_records: of how many.
        first: the first of them, and what is wrong with it.
        limit: which limit that breaks, and where it is set; empty: nobody set one.
    """

    def __init__(self, path: str, bad_records: int, all_records: int, first: str, limit: str = "") -> None:
        super().__init__(
            path,
            f"{bad_records} of {all_records} records cannot be stored under the contract"
            f"{f', {limit}; the first' if limit else '; one'} of them: {first}",
        )
        self.bad_records = bad_records
        self.all_records = all_records
        self.first = first
        self.limit = limit


class UnreadableFile(FileError, Permanent):
    """The bytes cannot be read as the contract says.

    Args:
        path: `s3://bucket/key`.
        problem: what the reader said.
    """


class FileDenied(FileError, Outside):
    """S3 refuses to hand out the object.

    Args:
        path: `s3://bucket/key`.
        reason: S3's error code.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            path,
            f"S3 refuses to hand it out ({reason}): let the job's role read it and its KMS key; then upload it again",
        )
        self.reason = reason


class FileUnavailable(FileError, Transient):
    """S3 failed while this object was read, and not with the others.

    Args:
        path: `s3://bucket/key`.
        reason: what S3 said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, f"S3 failed while it was read: {reason}")
        self.reason = reason


class TableRefused(FileError, Outside):
    """The table cannot take rows of its contract, whatever the file holds.

    Args:
        path: `s3://bucket/key`.
        reason: what the table and the contract disagree on, and the remedy.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, f"the table cannot take its rows: {reason}; then upload the file again")
        self.reason = reason


class ContractNarrowed(FileError, Outside):
    """The contract drops a column of its table, or gives it a type that does not hold what the table's does.

    Args:
        path: `s3://bucket/key`.
        table: `catalog.database.table`.
        refused: the columns, with the table's type and the contract's.
    """

    def __init__(self, path: str, table: str, refused: Sequence[ColumnChange]) -> None:
        super().__init__(
            path,
            f"the contract narrows {table}: {'; '.join(change.refusal for change in refused)}; the file is tried again "
            "when the contract changes",
        )
        self.table = table
        self.refused = tuple(refused)


class NotReadByPipeline(FileError, Permanent):
    """The table's `on_event` pipeline did not load the file, or did not return what it loaded.

    Args:
        path: `s3://bucket/key`.
        pipeline: the pipeline's name.
        was_loaded: whether one of its loads had the file.
    """

    def __init__(self, path: str, pipeline: str, *, was_loaded: bool) -> None:
        what = (
            "loaded it, and did not return the load that had it: return a DataFrame of all loads"
            if was_loaded
            else "did not load it: widen the source_path of its load_to_bronze, or narrow the contract's"
        )
        super().__init__(path, f"the pipeline {pipeline} {what}")
        self.pipeline = pipeline
        self.was_loaded = was_loaded


class Released(FileError, Excused):
    """The load that had claimed the file ended without having written it: it is free at once.

    Args:
        path: `s3://bucket/key`.
        reason: why.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, f"the load that had claimed it was not written: {reason}; the next run takes it")
        self.reason = reason


class Requested(FileError, Excused):
    """A person asked for the file to be read again.

    Args:
        path: `s3://bucket/key`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "it is to be read again, as somebody asked; its rows stay until then")


class Lapsed(FileError, Excused):
    """The session that had claimed the file did not renew its lease: it is free.

    Args:
        path: `s3://bucket/key`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            path, "the session that had claimed it did not come back within its lease; the next run takes it"
        )


class KilledRun(FileError, Permanent):
    """Runs died again and again while they ingested this file alone.

    Args:
        path: `s3://bucket/key`.
        deaths: how many runs, together with those in which it was not alone.
        last: what is known of the last one's end.
    """

    def __init__(self, path: str, deaths: int, last: str) -> None:
        super().__init__(
            path,
            f"{deaths} runs died over it, the last one while it read this file alone ({last}): look into that run's "
            "log; upload the file in another form, or in parts",
        )
        self.deaths = deaths
        self.last = last


class RunsFailed(FileError, Transient):
    """Runs could not finish with the file's batch, for no reason that the file gave.

    Args:
        path: `s3://bucket/key`.
        runs: how many.
        last: the last one's error.
    """

    def __init__(self, path: str, runs: int, last: str) -> None:
        super().__init__(path, f"{runs} runs could not finish with its batch; the last one: {last}")
        self.runs = runs
        self.last = last


class RunsNeverBegan(FileError, Excused):
    """Runs of the table ended before they began with anything.

    Args:
        path: `s3://bucket/key`.
        runs: how many in a row.
        last: what EMR says of the last one.
    """

    def __init__(self, path: str, runs: int, last: str) -> None:
        super().__init__(
            path, f"{runs} runs of its table in a row ended before they began; the last one: {last}; look into its log"
        )
        self.runs = runs
        self.last = last


class FileChanged(FileError, Excused):
    """The object is not, or not any more, the version that was claimed. Costs the file no attempt.

    Args:
        path: `s3://bucket/key`.
        claimed: the ETag that was claimed.
        found: the ETag that the object has now.
    """

    def __init__(self, path: str, claimed: str, found: str) -> None:
        what = "it was written again, with the same bytes" if found == claimed else f"it is {found} now"
        super().__init__(path, f"the object changed before it was read whole: {claimed} was claimed, {what}")
        self.claimed = claimed
        self.found = found


class PipelineError(AlurError, Permanent):
    """A pipeline is declared wrongly, is not there, or did not return what it must.

    Args:
        pipeline: its name.
        problem: what is wrong, and what to write instead.
    """

    def __init__(self, pipeline: str, problem: str) -> None:
        super().__init__(f"pipeline {pipeline}: {problem}")
        self.pipeline = pipeline
        self.problem = problem


class StrictModeError(AlurError, Permanent):
    """Files of a strict load broke the contract: nothing was written, and what was claimed is free again.

    Args:
        errors: one for each such file.
    """

    def __init__(self, errors: Sequence[FileError]) -> None:
        listed = "\n".join(f"  {error}" for error in errors)
        super().__init__(
            f"strict_mode: {len(errors)} files break the contract, and nothing was written:\n{listed}\n"
            "correct them, or load with strict_mode=False: then they fail alone and the others go on"
        )
        self.errors = tuple(errors)


class UntrackedDataFrame(AlurError, Permanent):
    """Which load's rows a DataFrame holds cannot be established: writing it could lose rows, or double them.

    Args:
        call: the call that hides it.
        problem: what to do instead.
    """

    def __init__(self, call: str, problem: str) -> None:
        super().__init__(f"{call}: {problem}")
        self.call = call
        self.problem = problem


class LoadLost(AlurError, Transient):
    """A load's claims were given up before it was written, because its session had not renewed its lease.

    Args:
        batch_id: of the load.
    """

    def __init__(self, batch_id: str) -> None:
        super().__init__(
            f"the load {batch_id} held its files no longer when it was written: nothing of it was; load them again"
        )
        self.batch_id = batch_id


class ReadNotExact(AlurError, Permanent):
    """Spark's plan holds a file twice: read so, its rows would come twice, and the batch stops instead.

    Args:
        file: which file.
    """

    def __init__(self, file: str) -> None:
        super().__init__(f"Spark would read {file} twice; report its name, and the names of the files beside it")
        self.file = file


class ReadFailed(AlurError, Transient):
    """Spark could not read some files, and which of them is at fault, if any, is not known.

    Args:
        problem: what Spark said.
        bytes_at_fault: the bytes of a file, and not the way to them, are at fault.
    """

    def __init__(self, problem: str, *, bytes_at_fault: bool) -> None:
        super().__init__(f"Spark could not read the batch's files: {problem}")
        self.problem = problem
        self.bytes_at_fault = bytes_at_fault


class PublishError(AlurError):
    """The table could not be written.

    Args:
        table: `catalog.database.table`.
        problem: what happened, and the remedy.
    """

    def __init__(self, table: str, problem: str) -> None:
        super().__init__(f"{table}: {problem}")
        self.table = table
        self.problem = problem


class CommitRefused(PublishError, Transient):
    """Certainly not committed: since the look somebody published a path of this batch, or history was rewritten."""


class CommitUnknown(PublishError, Transient):
    """The catalog's answer was lost: the commit may have landed. Look again, never clean up."""


class TableUnsupported(PublishError, Permanent):
    """The table's settings or columns do not fit: until the table or the contract changes nothing can be published.

    Args:
        table: `catalog.database.table`.
        problem: what does not fit, and the remedy.
        refused: the columns that the contract drops or narrows, if it is they that do not fit.
    """

    def __init__(self, table: str, problem: str, refused: Sequence[ColumnChange] = ()) -> None:
        super().__init__(table, "; ".join([problem, *(change.refusal for change in refused)]))
        self.refused = tuple(refused)


class PlatformUnsupported(PublishError, Permanent):
    """The platform's Iceberg lacks what publishing needs: no file is to blame, and no run of it can begin."""


class DeployError(AlurError, Permanent):
    """A deploy or a delete of the deployment cannot go on.

    Args:
        step: what was being done.
        problem: what happened, and the remedy.
    """

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(f"{step}: {problem}")
        self.step = step
        self.problem = problem


class LocalStackError(AlurError):
    """The local stack cannot start, or a part of it died.

    Args:
        part: which server or step.
        problem: what happened, and what to do.
    """

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part
        self.problem = problem
