"""What a caller may say about how files are read, and what it would break. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alur.contracts.contract import Contract
from alur.ingestion.headers import Dialect
from alur.ingestion.reader import KEY_COLUMNS, OWN_COLUMNS

_ONE_CHARACTER = {"sep": "sep", "delimiter": "sep", "quote": "quote", "escape": "escape", "comment": "comment"}
# What people write because other tools need it; Alur does so anyway, or has the contract for it.
_AS_IT_IS = {"header": "true", "mode": "permissive", "multiline": "true", "encoding": "utf-8", "charset": "utf-8"}
_OF_NO_EFFECT = frozenset({"inferschema"})


def reader_options(options: Mapping[str, Any] | None) -> tuple[dict[str, str], Dialect]:
    """Check options for Spark's reader, and return those that change something, with the dialect that they make.

    Args:
        options: as a caller gave them.

    Raises:
        ValueError: an option would break what Alur rests on, or is none.
    """
    chosen: dict[str, str] = {}
    for name, value in (options or {}).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        key = name.lower()
        if key in _OF_NO_EFFECT or _AS_IT_IS.get(key) == text.lower():
            continue
        if key in _AS_IT_IS:
            raise ValueError(f"options: {name}={value!r} is not supported; files are read with {name}={_AS_IT_IS[key]}")
        if key not in _ONE_CHARACTER:
            known = ", ".join(sorted(set(_ONE_CHARACTER) | {"header", "inferSchema", "mode", "multiLine", "encoding"}))
            raise ValueError(
                f"options: {name} is not supported, because rows could be lost or doubled by it without a word; "
                f"those that are: {known}"
            )
        if len(text) != 1:
            raise ValueError(f"options: {name}={value!r} is {len(text)} characters; write one")
        chosen[_ONE_CHARACTER[key]] = text
    return chosen, Dialect(chosen.get("sep", ","), chosen.get("quote", '"'))


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
