"""A batch from its manifest to `ready`: what whoever claims files does around the claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.faults import fault_point
from alur.ledger.batches import Batch, BatchState, BatchStore, new_batch_id
from alur.ledger.manifest import Candidate, Manifest, manifest_uri
from alur.ledger.model import FileVersion


class BatchMaker:
    """Makes batches.

    Args:
        batches: the batches' store.
        storage: S3.
        lake_bucket: where manifests go.
        lease_seconds: how long whoever claims is left alone.
        clock: the present.
        make_batch_id: from the present, an id that is never used twice.
    """

    def __init__(
        self,
        batches: BatchStore,
        storage: Storage,
        *,
        lake_bucket: str,
        lease_seconds: float,
        clock: Clock,
        make_batch_id: Callable[[datetime], str] = new_batch_id,
    ) -> None:
        self._batches = batches
        self._storage = storage
        self._lake_bucket = lake_bucket
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._make_batch_id = make_batch_id

    def begin(
        self,
        ingestion_key: str,
        contract_fingerprint: str,
        candidates: Sequence[Candidate],
        whole: Batch | None = None,
        interactive: bool = False,
    ) -> Batch:
        """Write the manifest and put the batch: from now on its candidates may be claimed.

        Args:
            ingestion_key: the table.
            contract_fingerprint: of its contract.
            candidates: who may be in it.
            interactive: it is a session's, `leased`; else `claiming`.
            whole: the batch of which this one is a half: it inherits what that was charged, and runs alone.

        Raises:
            AlurError: S3 or the ledger cannot be written.
        """
        now = self._clock()
        batch_id = self._make_batch_id(now)
        manifest = Manifest(ingestion_key, batch_id, now, contract_fingerprint, tuple(candidates))
        batch = Batch(
            ingestion_key=ingestion_key,
            batch_id=batch_id,
            state=BatchState.LEASED if interactive else BatchState.CLAIMING,
            manifest_uri=manifest_uri(self._lake_bucket, ingestion_key, batch_id),
            files=len(candidates),
            size_bytes=sum(candidate.version.size_bytes for candidate in candidates),
            created_at=now,
            lease_until=now + timedelta(seconds=self._lease_seconds),
            interactive=interactive,
        )
        if whole is not None:
            batch = replace(
                batch,
                created_at=whole.created_at,
                wholes=whole.ids,
                charged_before=whole.charges,
                alone=True,
                last_error_type=whole.last_error_type,
                last_error=whole.last_error,
            )
        self._storage.put_document(batch.manifest_uri, manifest.to_document())
        fault_point("dispatcher.manifest-written")
        self._batches.create(batch)
        fault_point("dispatcher.batch-created")
        return batch

    def renew(self, batch: Batch) -> bool:
        """Renew the lease of a session's batch; False: it had passed, and was taken.

        Args:
            batch: what `begin` returned.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        return self._batches.renew(batch, self._clock() + timedelta(seconds=self._lease_seconds))

    def end(self, batch: Batch, claimed: Sequence[FileVersion]) -> Batch | None:
        """Make a batch ready for a run, with what was claimed into it; without any, close it.

        Args:
            batch: what `begin` returned.
            claimed: what its claims won.

        Returns:
            The ready batch; None: it has no file.
        """
        if not claimed:
            self._batches.close(batch, self._clock())
            return None
        ready = replace(
            batch,
            state=BatchState.READY,
            files=len(claimed),
            size_bytes=sum(version.size_bytes for version in claimed),
        )
        if not self._batches.make_ready(batch, files=ready.files, size_bytes=ready.size_bytes):
            # The lease had passed, and the batch may have run, or been closed, without the late claims.
            self._batches.reopen(batch)
        fault_point("dispatcher.ready")
        return ready
