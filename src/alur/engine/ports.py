"""What publishing a batch needs of a table and of a reader: the few things it does with them.

`iceberg` and `spark_reader` are the real ones. Whatever else implements these, the same steps run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from alur.ingestion.naming import Source


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one path that the look found: those of one version and one batch."""

    etag: str
    batch_id: str
    rows: int


@dataclass(frozen=True, slots=True)
class Staged:
    """What a batch has staged for one path.

    Attributes:
        rows: how many rows.
        bad_rows: how many of them cannot be stored under the contract.
        first_bad: why, of one of them, as JSON.
    """

    rows: int
    bad_rows: int
    first_bad: str | None


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

    def staged(self, branch: str, batch_id: str) -> dict[str, Staged]:
        """Count what a batch has on a branch, by path."""
        ...

    def remove_rows(
        self, branch: str, batch_id: str, *, replaced: Sequence[tuple[str, str | None]], left_out: Sequence[str]
    ) -> None:
        """Delete, on a scratch branch, what published paths had before, and what was staged of paths left out.

        Args:
            branch: the scratch branch.
            batch_id: of the batch that publishes.
            replaced: (path, ETag): published paths; other batches' rows of it go: of that version only, if it is named.
            left_out: paths whose staged rows go.
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

    def commit(
        self,
        branch: str,
        pin: int,
        files: StagedFiles,
        *,
        batch_id: str,
        record_uri: str,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
    ) -> Snapshot:
        """Bring staged files onto main, in one snapshot that is valid only if nobody published these paths meanwhile.

        Args:
            branch: the scratch branch.
            pin: the snapshot of the look.
            files: what `collect` found.
            batch_id: of the batch that publishes.
            record_uri: its record.
            paths: what it publishes.
            published_paths: from a record's URI, the paths that it published.

        Raises:
            CommitRefused: certainly not committed.
            CommitUnknown: the catalog's answer was lost.
        """
        ...


class FileReader(Protocol):
    """Reads files under a contract onto a scratch branch."""

    def append(
        self, branch: str, sources: Sequence[Source], *, whole_folders: set[str], batch_id: str, now: datetime
    ) -> None:
        """Append the rows of some files to a branch, all or none.

        Args:
            branch: the scratch branch.
            sources: the files, each with the URI under which its bytes are found.
            whole_folders: folders that are read as a whole; of what else is in them nothing is kept.
            batch_id: of the batch.
            now: becomes `_ingested_at`.

        Raises:
            ReadFailed: which file is at fault is not known.
            ReadNotExact: a file would be read twice.
        """
        ...
