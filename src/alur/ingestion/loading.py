"""A load, from its arguments to its DataFrame: list, look up, claim, look through, read."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from alur.aws.deployment import Deployment
from alur.clock import to_iso
from alur.contracts.contract import VARIABLE, Contract
from alur.contracts.table import BronzeTable, contract_of
from alur.errors import FileError, StrictModeError
from alur.ingestion.claiming import SessionClaims, Survey, Taken
from alur.ingestion.leases import keeper
from alur.ingestion.loads import (
    UNMANAGED_PREFIX,
    Load,
    current_hand_out,
    current_since,
    current_workplace,
    register,
)
from alur.ingestion.options import check_excluded, contract_of_files, dialect_of_files
from alur.ingestion.preparing import look_before, name_sources
from alur.ingestion.reading import Reading, break_the_contract
from alur.ingestion.sources import list_sources, resolve_sources
from alur.ingestion.workplace import Workplace, workplace_of
from alur.ledger.batches import new_batch_id
from alur.ledger.model import FileVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller of `load_to_bronze` gave; its docstring says what each means."""

    source_path: str | Sequence[str]
    source_system: str
    target: type[BronzeTable]
    validate: bool
    strict_mode: bool
    enable_idempotency: bool
    options: Mapping[str, Any] | None
    custom_metadata: Mapping[str, Any] | None
    exclude_metadata: Sequence[str] | None
    since: datetime | None
    deployment: Deployment | None


def load_files(spark: SparkSession, request: Request) -> DataFrame:
    """Do what `load_to_bronze` says.

    Args:
        spark: the session.
        request: its arguments.

    Raises:
        StrictModeError: files break the contract; what was claimed is free again.
        ValueError: an argument cannot be.
        AlurError: S3 or the ledger cannot be asked; what was claimed is free again.
    """
    table_contract = replace(contract_of(request.target), source_system=request.source_system)
    dialect = dialect_of_files(table_contract.dialect, request.options)
    reading = Reading(
        spark=spark,
        table=table_contract,
        files=replace(contract_of_files(table_contract, request.custom_metadata), dialect=dialect),
        custom=dict(request.custom_metadata or {}),
        excluded=check_excluded(request.exclude_metadata),
        checks_headers=request.validate,
    )
    place = current_workplace.get() if request.deployment is None else None
    place = place or workplace_of(request.deployment)
    named = (request.source_path,) if isinstance(request.source_path, str) else tuple(request.source_path)
    variables = place.deployment.contract_variables if any(VARIABLE.search(glob) for glob in named) else None
    globs = resolve_sources(named, variables)
    hand_out = current_hand_out.get()
    if hand_out is not None:
        return hand_out.load(reading, globs)
    if not request.enable_idempotency:
        return _load_unmanaged(reading, place, globs, strict=request.strict_mode)
    claims = place.claims(table_contract)
    taken = claims.take(list_sources(place.storage, globs), since=request.since or current_since.get())
    return _load_taken(reading, place, globs, claims, taken, strict=request.strict_mode)


def _load_taken(
    reading: Reading, place: Workplace, globs: Sequence[str], claims: SessionClaims, taken: Taken, *, strict: bool
) -> DataFrame:
    load_id = secrets.token_hex(8)
    if taken.batch is None:
        message = taken.survey.say_nothing_to_read(globs)
        logger.info("%s", message, extra={"ingestion_key": reading.table.ingestion_key})
        batch_id = new_batch_id(place.clock())
        load = Load(
            load_id=load_id,
            contract=reading.table,
            batch_id=batch_id,
            rows=reading.nothing(load_id, batch_id),
            survey=taken.survey,
            strict=strict,
            message=message,
        )
        register(load)
        return _tracked(load)
    keeper.keep(place.batches, taken.batch, seconds=place.lease_seconds, clock=place.clock)
    load = Load(
        load_id=load_id,
        contract=reading.table,
        batch_id=taken.batch.batch_id,
        rows=reading.nothing(load_id, taken.batch.batch_id),
        survey=taken.survey,
        strict=strict,
        claims=claims,
        batch=taken.batch,
        items=taken.items,
    )
    try:
        sight, failed = look_before(place.storage, taken.items, place.sleep)
        there = [sight.found[path] for path in taken.items if path not in failed]
        sources, unnamed = name_sources(place.storage, there, lake_bucket=place.lake_bucket, batch_id=load.batch_id)
        failed |= unnamed
        read = reading.read(
            place.storage,
            sources,
            lake_bucket=place.lake_bucket,
            batch_id=load.batch_id,
            load_id=load_id,
            now=place.clock(),
        )
        load.careful = read.careful
        failed |= read.failed
        _fail(load, failed)
        load.items = {path: item for path, item in taken.items.items() if path not in failed}
        load.sources = tuple(source for source in sources if source.version.path not in failed)
        load.counted = read.counted
        load.rows = read.rows
    except StrictModeError as error:
        load.release(f"strict_mode: {error.errors[0].path} breaks the contract")
        raise
    except BaseException as error:
        load.release(f"it could not be loaded: {error}")
        raise
    register(load)
    logger.info(
        "%d files to read, %d skipped",
        len(load.items),
        load.survey.skipped,
        extra={"ingestion_key": reading.table.ingestion_key, "batch_id": load.batch_id},
    )
    return _tracked(load)


def _fail(load: Load, failed: Mapping[str, FileError]) -> None:
    """Fail files by name; where the load is strict, one that breaks the contract breaks it instead."""
    breaking = break_the_contract(failed.values())
    if load.strict and breaking:
        raise StrictModeError(breaking)
    for error in failed.values():
        logger.warning("%s", error, extra={"batch_id": load.batch_id, "error_type": type(error).__name__})
    if load.claims is not None:
        load.claims.fail([(load.items[path], error) for path, error in failed.items()])
    load.failed.update(failed)


def _load_unmanaged(reading: Reading, place: Workplace, globs: Sequence[str], *, strict: bool) -> DataFrame:
    """Read every file that is there, with nothing asked of the ledger and nothing noted in it."""
    now = place.clock()
    batch_id = f"{UNMANAGED_PREFIX}{new_batch_id(now)}"
    load_id = secrets.token_hex(8)
    versions = [version for page in list_sources(place.storage, globs) for version in page.objects]
    survey = Survey(listed=len(versions))
    logger.warning(
        "enable_idempotency=False: all %d files are read, the ledger is neither asked nor told; rows may double",
        len(versions),
        extra={"ingestion_key": reading.table.ingestion_key, "batch_id": batch_id},
    )
    sources, unnamed = name_sources(place.storage, versions, lake_bucket=place.lake_bucket, batch_id=batch_id)
    read = reading.read(
        place.storage, sources, lake_bucket=place.lake_bucket, batch_id=batch_id, load_id=load_id, now=now
    )
    if strict and (breaking := break_the_contract(read.failed.values())):
        raise StrictModeError(breaking)
    load = Load(
        load_id=load_id,
        contract=reading.table,
        batch_id=batch_id,
        sources=tuple(source for source in sources if source.version.path not in read.failed),
        rows=read.rows,
        survey=survey,
        strict=strict,
        counted=read.counted,
        careful=read.careful,
    )
    load.failed.update({**unnamed, **read.failed})
    for error in load.failed.values():
        logger.warning("%s", error, extra={"batch_id": batch_id, "error_type": type(error).__name__})
    register(load)
    return _tracked(load)


def _tracked(load: Load) -> DataFrame:
    """Put the list of a load's files on its DataFrame; what decides is the plan, which outlives the object."""
    rows: Any = load.rows
    rows._alur_files_to_track = [_as_tracked(load.contract, version) for version in load.seen.values()]
    tracked: DataFrame = rows
    return tracked


def _as_tracked(contract: Contract, version: FileVersion) -> dict[str, Any]:
    return {
        "ingestion_key": contract.ingestion_key,
        "file_path": version.path,
        "file_size": version.size_bytes,
        "file_etag": version.etag,
        "last_modified": to_iso(version.last_modified) if version.last_modified else None,
    }
