"""The condition of a commit, as Iceberg asks for it: is everything since the look of no concern to this batch?

Iceberg calls a `SnapshotAncestryValidator` with the branch's ancestry, newest first, at each of its attempts to
commit (`SnapshotUpdate.validateWith`, new in Iceberg 1.11). This one is Python, called back through py4j's callback
server, as PySpark's `foreachBatch` is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from alur.errors import AlurError

logger = logging.getLogger(__name__)

RECORD_KEY = "alur.record"
"""The snapshot property that names the record."""

BATCH_KEY = "alur.batch-id"
"""The snapshot property that names the batch."""


class NobodyPublished:
    """Valid if no snapshot since the pin has a record that names one of these paths.

    Args:
        pin: the snapshot of the look.
        paths: what the commit publishes.
        published_paths: from a record's URI, the paths that it published.
        also: says why the commit must be refused for another reason; None: there is none.
    """

    def __init__(
        self,
        pin: int,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
        also: Callable[[], str | None] | None = None,
    ) -> None:
        self._pin = pin
        self._paths = frozenset(paths)
        self._published_paths = published_paths
        self._also = also
        self.refusal: str | None = None

    def judge(self, ancestry: Iterable[tuple[int, dict[str, str]]]) -> str | None:
        """Say why the commit must be refused; None: it is valid.

        Args:
            ancestry: (snapshot id, summary) of main's snapshots, newest first.
        """
        for snapshot_id, summary in ancestry:
            if snapshot_id == self._pin:
                return None if self._also is None else self._also()
            record = summary.get(RECORD_KEY)
            if record is None:
                continue
            try:
                theirs = self._published_paths(record) & self._paths
            except AlurError as error:
                return f"snapshot {snapshot_id} cannot be judged: {error}"
            if theirs:
                return f"snapshot {snapshot_id} has published {min(theirs)}"
        # Expired or rolled back: what happened since the look cannot be known.
        return f"snapshot {self._pin}, at which this batch looked, is not in the table's history any more"

    def validate(self, base_snapshots: Any) -> bool:
        """Answer Iceberg; called from the JVM."""
        self.refusal = self.judge(_ancestry(base_snapshots))
        if self.refusal:
            logger.info("the commit is refused: %s", self.refusal)
        return self.refusal is None

    def errorMessage(self) -> str:
        """Tell Iceberg why, for its exception; called from the JVM."""
        return self.refusal or "valid"

    class Java:
        """What py4j reads: the interface that this object stands for."""

        implements = ("org.apache.iceberg.SnapshotAncestryValidator",)


def _ancestry(snapshots: Any) -> Iterable[tuple[int, dict[str, str]]]:
    iterator = snapshots.iterator()
    while iterator.hasNext():
        snapshot = iterator.next()
        summary = snapshot.summary()
        kept = {key: summary.get(key) for key in (RECORD_KEY,) if summary is not None and summary.get(key)}
        yield snapshot.snapshotId(), kept
