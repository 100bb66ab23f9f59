"""A contract as the other rooms see it: plain, frozen data, without the class that declared it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from alur.contracts.dialect import AS_MOST_FILES, Dialect
from alur.contracts.fields import Field
from alur.contracts.partitions import PartitionField
from alur.errors import ContractError

VARIABLE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
"""A variable in a glob, as `${LandingBucket}`."""

_GLOB_CHARACTERS = frozenset("*?[]{}")


class OnOverwrite(StrEnum):
    """What becomes of a completed file's rows when another version of the file comes."""

    REPLACE = "replace"  # they leave the table in the commit that brings the new version's
    APPEND = "append"  # they stay, beside the new version's
    SKIP = "skip"  # they stay, and the new version is not read


class Trigger(StrEnum):
    """Who takes a table's files in."""

    EVENT = "event"  # the file's landing does; `alur run` may too
    RUN = "run"  # only `alur run`, or a load by hand


@dataclass(frozen=True, slots=True)
class Contract:
    """What a contract class declares.

    Args:
        ingestion_key: the table's name, in the ledger and in the catalog.
        class_name: the class that declares it, for messages.
        fields: the columns, in the order of declaration.
        source_paths: globs of the table's files (`alur.contracts.globs`).
        source_system: where the files come from; a column of every row.
        on_overwrite: what another version of a completed file does.
        null_values: what stands for null, beside the empty cell.
        partition_by: the table's partitioning.
        description: for people; it becomes the table's comment.
        fingerprint: changes when, and only when, the same file may be read differently.
        trigger: who takes the files in.
        dialect: how the files are written.
    """

    ingestion_key: str
    class_name: str
    fields: tuple[Field, ...]
    source_paths: tuple[str, ...]
    source_system: str
    on_overwrite: OnOverwrite
    null_values: tuple[str, ...]
    partition_by: tuple[PartitionField, ...]
    description: str
    fingerprint: str
    trigger: Trigger = Trigger.EVENT
    dialect: Dialect = AS_MOST_FILES

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of declaration."""
        return tuple(field.name for field in self.fields)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the columns in a file's header, in the order of declaration."""
        return tuple(field.source_name for field in self.fields)

    def with_variables(self, variables: Mapping[str, str]) -> Contract:
        """Return this contract with each `${Name}` of its globs replaced.

        Args:
            variables: values by name.

        Raises:
            ContractError: a variable has no value, or one that would be read as a glob.
        """

        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            value = variables.get(name, "")
            if not value:
                known = ", ".join(sorted(name for name in variables if variables[name])) or "none"
                raise ContractError(
                    self.class_name, f"Meta.source_path names ${{{name}}}, which has no value; those that have: {known}"
                )
            if _GLOB_CHARACTERS.intersection(value):
                raise ContractError(
                    self.class_name,
                    f"the value of ${{{name}}}, {value!r}, is no name but a glob; set it to a name",
                )
            return value

        return replace(self, source_paths=tuple(VARIABLE.sub(value_of, glob) for glob in self.source_paths))


def fingerprint_of(fields: Sequence[Field], null_values: Sequence[str], dialect: Dialect | None = None) -> str:
    """Return 16 hexadecimal digits that stand for how a file is read under a contract.

    A failed file becomes due when this changes, so what cannot turn a failure into a success (descriptions, globs,
    partitioning) is left out. Whatever is added to it later must leave the contracts that do not use it as they are.

    Args:
        fields: the columns, in order.
        null_values: what stands for null; their order means nothing.
        dialect: how the files are written; None: as most files are.
    """
    document: dict[str, Any] = {
        "fields": [[field.name, field.spark_type, field.nullable, *_differences(field)] for field in fields],
        "null_values": sorted(null_values),
    }
    if dialect is not None and dialect.differences:
        document["dialect"] = dialect.differences
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _differences(field: Field) -> list[dict[str, Any]]:
    """What a field says of its spelling, in a list of one; nothing said: an empty list."""
    said: dict[str, Any] = {}
    if field.source_name != field.name:
        said["source_name"] = field.source_name
    if field.formats:
        said["formats"] = field.formats
    if field.timezone != "UTC":
        said["timezone"] = field.timezone
    return [said] if said else []
