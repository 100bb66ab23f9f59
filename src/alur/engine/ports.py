"""What publishing a batch needs of a table and of a reader: the few things it does with them.

`iceberg` and `spark_reader` are the real ones. Whatever else implements these, the same steps run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from alur.delimited.counted import Counted
from alur.ingestion.headings import Heading
from alur.ingestion.naming import Source
from alur.ingestion.plain import Lines


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one path that the look found: those of one version and one batch.

    Attributes:
        etag, batch_id: whose they are.
        rows: how many.
        attempt: in the table of the rejects, which attempt to publish the batch has brought them: its record's nonce.
    """

    etag: str
    batch_id: str
    rows: int
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class Doomed:
    """Rows of one path that have to go: those of one version and one batch, in the rejects of one attempt."""

    path: str
    etag: str
    batch_id: str
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """The data files that a branch has added to, and removed from, the snapshot it was made at.

    Attributes:
        head: the branch's newest snapshot, when they were collected.
        added, removed: the table's own objects for them.
    """

    head: int
    added: tuple[Any, ...]
    removed: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A commit on main.

    Attributes:
        snapshot_id: the table's id of it.
        committed_at: the table's time of it.
    """

    snapshot_id: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit on main, and what its summary says of a batch.

    Attributes:
        snapshot: the commit.
        batch_id: of the batch that it published; None: it is none of ours.
        record_uri: its record.
    """

    snapshot: Snapshot
    batch_id: str | None
    record_uri: str | None


class PublishingTable(Protocol):
    """A table with snapshots, branches, and commits that can be made to depend on what was committed since."""

    @property
    def name(self) -> str:
        """`catalog.database.table`."""
        ...

    def head(self) -> Snapshot:
        """Return main's newest snapshot.

        Raises:
            TableUnsupported: the table has none.
        """
        ...

    def look(self, pin: int, paths: Sequence[str]) -> dict[str, list[Found]]:
        """Find which of these paths have rows in a snapshot, of which versions and batches.

        Args:
            pin: the snapshot.
            paths: `s3://bucket/key`, each.
        """
        ...

    def history(self) -> Iterator[Commit]:
        """Yield main's snapshots, newest first, as far as they are kept."""
        ...

    def create_branch(self, branch: str, pin: int) -> None:
        """Make a scratch branch at a snapshot.

        Raises:
            CommitRefused: others have changed the table again and again meanwhile.
        """
        ...

    def drop_branch(self, branch: str) -> None:
        """Drop a scratch branch, if it is there; a failure is only logged: it holds orphans, nothing else."""
        ...

    def staged(self, branch: str, batch_id: str) -> dict[str, Lines]:
        """Count what a batch has on a branch, by path."""
        ...

    def remove_rows(self, branch: str, doomed: Sequence[Doomed]) -> None:
        """Delete rows on a scratch branch.

        Args:
            branch: the scratch branch.
            doomed: which rows.
        """
        ...

    def collect(self, branch: str, pin: int) -> StagedFiles:
        """Collect what a branch has changed since the snapshot it was made at.

        Args:
            branch: the scratch branch.
            pin: that snapshot.

        Raises:
            CommitRefused: the branch does not lead back to it.
            TableUnsupported: it has delete files, which a commit of data files would lose.
        """
        ...

    def refusal(self, pin: int, paths: Iterable[str], published_paths: Callable[[str], frozenset[str]]) -> str | None:
        """Say who has published one of these paths since a snapshot; None: nobody has.

        Args:
            pin: the snapshot.
            paths: the paths.
            published_paths: from a record's URI, the paths that it published.
        """
        ...

    def commit(
        self,
        branch: str | None,
        pin: int,
        files: StagedFiles,
        *,
        batch_id: str,
        record_uri: str,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
        also: Callable[[], str | None] | None = None,
    ) -> Snapshot:
        """Bring staged files onto main, in one snapshot that is valid only if nobody published these paths meanwhile.

        Args:
            branch: the scratch branch; None: there is nothing to bring, and the snapshot only names the paths.
            pin: the snapshot of the look.
            files: what `collect` found.
            batch_id: of the batch that publishes.
            record_uri: its record.
            paths: what it publishes.
            published_paths: from a record's URI, the paths that it published.
            also: says why the commit must be refused for another reason; asked at each attempt.

        Raises:
            CommitRefused: certainly not committed.
            CommitUnknown: the catalog's answer was lost.
        """
        ...


class CarefulReading(Protocol):
    """Files that were read record by record: what each came to, and their rows and rejects, to be appended."""

    @property
    def counted(self) -> Mapping[str, Counted]:
        """What each file came to, by path."""
        ...

    def append_rows(self, branch: str, paths: Collection[str]) -> None:
        """Append the rows of some of the files to a branch of the bronze table.

        Raises:
            ReadFailed: which file is at fault is not known.
        """
        ...

    def append_rejects(self, branch: str, paths: Collection[str], attempt: str) -> None:
        """Append the rejects of some of the files to a branch of the table of the rejects.

        Args:
            branch: the scratch branch.
            paths: of the files.
            attempt: which attempt to publish them this is.

        Raises:
            ReadFailed: which file is at fault is not known.
        """
        ...

    def close(self) -> None:
        """Free what was kept of the rows."""
        ...


class FileReader(Protocol):
    """Reads files under a contract, in two ways.

    The plain reading is the engine's own, one pass for all files at once; it is exact for files in which each line is
    a plain record, and says of every other line that it is not. The careful reading takes those files, record by
    record, and is what defines their meaning.
    """

    def append(
        self,
        branch: str,
        sources: Sequence[Source],
        *,
        heading: Heading,
        whole_folders: set[str],
        batch_id: str,
        now: datetime,
    ) -> None:
        """Read files plainly, and append their rows to a branch of the bronze table, all or none.

        Args:
            branch: the scratch branch.
            sources: the files, each with the URI under which its bytes are found.
            heading: what stands above their records.
            whole_folders: folders that are read as a whole; of what else is in them nothing is kept.
            batch_id: of the batch.
            now: becomes `_ingested_at`.

        Raises:
            ReadFailed: which file is at fault is not known.
            ReadNotExact: a file would be read twice.
        """
        ...

    def read_carefully(self, sources: Sequence[Source], *, batch_id: str, now: datetime) -> CarefulReading:
        """Read files record by record.

        Args:
            sources: the files.
            batch_id: of the batch.
            now: becomes `_ingested_at`.

        Raises:
            ReadFailed: which file is at fault is not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """What a contract's files are published into.

    Attributes:
        bronze: takes the rows; its commit is the one that counts.
        rejects: takes the records that could not be stored.
        reader: reads files into them.
    """

    bronze: PublishingTable
    rejects: PublishingTable
    reader: FileReader
