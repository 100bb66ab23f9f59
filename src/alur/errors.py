"""Every exception that Alur raises on purpose, in one tree.

    AlurError
    ├── ContractError               a contract class is declared wrongly
    ├── SettingsError               the environment lacks something, or holds nonsense
    ├── MalformedEvent              an event record that is not what AWS documents
    ├── LedgerError                 the ledger could not be read or written
    │   ├── LedgerUnavailable         try again (throttling, time-outs, 5xx)         Transient
    │   └── LedgerRefused             no access, no such table, an invalid request   Permanent
    ├── StorageError                S3 could not be read or written
    │   ├── StorageUnavailable                                                       Transient
    │   └── StorageRefused                                                           Permanent
    ├── SubmitError                 the job could not be started, or not be asked after
    │   ├── SubmitThrottled           certainly not started                          Transient
    │   ├── SubmitUnknown             the answer was lost: it may have been          Transient
    │   └── SubmitRefused             certainly not started                          Permanent
    ├── FileError                   why one file failed; its neighbours go on
    │   ├── HeaderMismatch                                                           Permanent
    │   ├── EmptyFile                                                                Permanent
    │   ├── FileVanished                                                             Permanent
    │   ├── UnstorableRecords                                                        Permanent
    │   ├── UnreadableFile                                                           Permanent
    │   └── FileChanged               another version came while this one was read   Transient
    ├── ReadNotExact                Spark would read a file of the batch twice           Permanent
    ├── PublishError                the table could not be written
    │   ├── CommitRefused             somebody published a path of this batch        Transient
    │   ├── CommitUnknown             the catalog's answer was lost                  Transient
    │   └── TableUnsupported          the table or the platform lacks what is needed Permanent
    ├── DeployError                 a deploy or a delete of the deployment cannot go on      Permanent
    └── LocalStackError             the local stack cannot start, or a part of it died

Whether trying again can help is a type, not a list of names: `Transient` and `Permanent` are mixed in. A class
carries the facts as attributes, and its message is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence


class Transient(Exception):
    """Trying the same again later may succeed without anybody changing anything."""


class Permanent(Exception):
    """Trying the same again fails again, until the file, the contract, or a person changes something."""


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


class HeaderMismatch(FileError, Permanent):
    """The file's header is not the contract's.

    Args:
        path: `s3://bucket/key`.
        expected: the contract's columns, in order.
        found: the file's columns, in order.
    """

    def __init__(self, path: str, expected: Sequence[str], found: Sequence[str]) -> None:
        missing = [name for name in expected if name not in found]
        extra = [name for name in found if name not in expected]
        parts = []
        if missing:
            parts.append(f"missing {', '.join(missing)}")
        if extra:
            parts.append(f"not in the contract {', '.join(extra)}")
        if not parts:
            parts.append("the same columns in another order, or one of them twice")
        super().__init__(
            path,
            f"the header breaks the contract ({'; '.join(parts)}); expected {','.join(expected)}; "
            f"found {','.join(found)}; change the file or the contract",
        )
        self.expected = tuple(expected)
        self.found = tuple(found)
        self.missing = tuple(missing)
        self.extra = tuple(extra)


class EmptyFile(FileError, Permanent):
    """The file has no bytes, not even a header.

    Args:
        path: `s3://bucket/key`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "the file is empty: not even a header; upload it whole, or delete it")


class FileVanished(FileError, Permanent):
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
    """

    def __init__(self, path: str, bad_records: int, all_records: int, first: str) -> None:
        super().__init__(
            path,
            f"{bad_records} of {all_records} records cannot be stored under the contract; one of them: {first}",
        )
        self.bad_records = bad_records
        self.all_records = all_records
        self.first = first


class UnreadableFile(FileError, Permanent):
    """The bytes cannot be read as the contract says.

    Args:
        path: `s3://bucket/key`.
        problem: what the reader said.
    """


class FileChanged(FileError, Transient):
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


class ReadNotExact(AlurError, Permanent):
    """Spark's plan holds a file twice: read so, its rows would come twice, and the batch stops instead.

    Args:
        file: which file.
    """

    def __init__(self, file: str) -> None:
        super().__init__(f"Spark would read {file} twice; report its name, and the names of the files beside it")
        self.file = file


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
    """The table's settings or the platform's Iceberg lack what publishing needs."""


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
