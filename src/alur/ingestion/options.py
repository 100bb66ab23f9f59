"""What a caller may say about how files are read, and what it would break. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alur.contracts.contract import Contract
from alur.contracts.dialect import Dialect, canonical_encoding
from alur.ingestion.columns import KEY_COLUMNS, OWN_COLUMNS

_NAMES = {
    "sep": "delimiter",
    "delimiter": "delimiter",
    "quote": "quote",
    "escape": "escape",
    "comment": "comment",
    "encoding": "encoding",
    "charset": "encoding",
    "header": "header",
    "multiline": "multiline",
}
"""Options of Spark's reader, and what a contract calls the same."""

_FLAGS = {"true": True, "false": False}
# What people write because other tools need it: Alur does so anyway, or has the contract for it.
_OF_NO_EFFECT = {"mode": "permissive", "inferschema": None}


def dialect_of_files(dialect: Dialect, options: Mapping[str, Any] | None) -> Dialect:
    """Return the dialect of a load's files: the contract's, but for what its caller says.

    Args:
        dialect: the contract's.
        options: as a caller gave them, by the names of Spark's reader.

    Raises:
        ValueError: an option would break what Alur rests on, or is none, or its value means nothing.
    """
    said: dict[str, Any] = {}
    for name, value in (options or {}).items():
        key = name.lower()
        if key in _OF_NO_EFFECT and _OF_NO_EFFECT[key] in (None, str(value).lower()):
            continue
        if key not in _NAMES:
            known = ", ".join(sorted({"sep", "quote", "escape", "comment", "encoding", "header", "multiLine"}))
            raise ValueError(
                f"options: {name}={value!r} is not supported, because rows could be lost or doubled by it without a "
                f"word; those that are: {known}"
            )
        said[_NAMES[key]] = _value(_NAMES[key], value)
    if said.get("escape") in (said.get("quote", dialect.quote), ""):
        # A quote that is escaped by itself is a doubled one.
        said["escape"] = None
    if said.get("multiline") is True:
        # That line ends may stand in quotes is how files are read anyway; Spark has to be told.
        del said["multiline"]
    chosen = replace(dialect, **said)
    if problem := chosen.problem():
        raise ValueError(f"options: {problem.removeprefix('Meta.')}")
    return chosen


def _value(name: str, value: Any) -> Any:
    if name in ("header", "multiline"):
        if str(value).lower() not in _FLAGS:
            raise ValueError(f"options: {name}={value!r}; write true or false")
        return _FLAGS[str(value).lower()]
    return canonical_encoding(str(value)) if name == "encoding" else str(value)


def contract_of_files(contract: Contract, custom_metadata: Mapping[str, Any] | None) -> Contract:
    """Return the contract of the files of a load: without the columns whose values the caller gives.

    Args:
        contract: the table's.
        custom_metadata: values by column.

    Raises:
        ValueError: the table has no such column, or nothing would be left of the files.
    """
    given = dict(custom_metadata or {})
    unknown = [name for name in given if name not in contract.column_names]
    if unknown:
        raise ValueError(
            f"custom_metadata: {', '.join(sorted(unknown))} is no column of {contract.class_name}; declare a field of "
            "that name, and the files need not have it"
        )
    fields = tuple(field for field in contract.fields if field.name not in given)
    if not fields:
        raise ValueError("custom_metadata: it gives every column, and nothing would be read of the files")
    return replace(contract, fields=fields)


def check_excluded(exclude_metadata: Sequence[str] | None) -> tuple[str, ...]:
    """Check which of Alur's own columns a caller leaves out of a DataFrame.

    Args:
        exclude_metadata: their names.

    Raises:
        ValueError: there is no such column, or a row could not be told from another without it.
    """
    excluded = tuple(exclude_metadata or ())
    own = {name for name, _ in OWN_COLUMNS}
    for name in excluded:
        if name in KEY_COLUMNS:
            raise ValueError(f"exclude_metadata: {name} says whose a row is and cannot be left out")
        if name not in own:
            raise ValueError(f"exclude_metadata: {name} is none of {', '.join(sorted(own - set(KEY_COLUMNS)))}")
    return excluded
