"""Which table a file of this machine is meant for, by its name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from alur.contracts.contract import VARIABLE, Contract
from alur.contracts.globs import compile_glob
from alur.errors import ContractError

_WORDS = re.compile(r"[^a-z0-9]+")


def tables_meant(path: str, contracts: Sequence[Contract]) -> list[Contract]:
    """Return the tables that a file's name speaks for: the only one, those it is called after, or by their globs.

    Args:
        path: of the file, on this machine.
        contracts: every table's; variables of their globs need not be replaced.
    """
    if len(contracts) <= 1:
        return list(contracts)
    called = _called_after(PurePath(path), contracts)
    return called or [contract for contract in contracts if _fits(PurePath(path), contract)]


def _called_after(path: PurePath, contracts: Sequence[Contract]) -> list[Contract]:
    """The tables whose name the file's begins with, or else a folder's is: of several the longest name."""
    for is_file, part in ((True, path.name), *((False, part) for part in reversed(path.parts[:-1]))):
        words = _WORDS.sub("_", part.lower()).strip("_")
        found = [
            contract
            for contract in contracts
            if words == contract.ingestion_key or (is_file and words.startswith(f"{contract.ingestion_key}_"))
        ]
        if found:
            longest = max(len(contract.ingestion_key) for contract in found)
            return [contract for contract in found if len(contract.ingestion_key) == longest]
    return []


def _fits(path: PurePath, contract: Contract) -> bool:
    # What stands before the landing bucket's own folders nobody knows.
    keys = ["/".join(path.parts[start:]) for start in range(len(path.parts))]
    return any(pattern.fullmatch(key) for pattern in _patterns(contract) for key in keys)


def _patterns(contract: Contract) -> Iterator[re.Pattern[str]]:
    for text in contract.source_paths:
        try:
            compiled = compile_glob(VARIABLE.sub("bucket", text))
        except ContractError:
            continue
        yield from (glob.pattern for glob in compiled)
