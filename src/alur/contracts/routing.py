"""Which tables an object belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from alur.contracts.contract import Contract
from alur.contracts.globs import Glob, compile_glob
from alur.errors import ContractError


class Router:
    """The globs of all contracts, compiled once.

    Args:
        contracts: with their variables replaced.

    Raises:
        ContractError: a glob is not one, or names a variable.
    """

    def __init__(self, contracts: Iterable[Contract]) -> None:
        by_bucket: defaultdict[str, list[tuple[Contract, tuple[Glob, ...]]]] = defaultdict(list)
        for contract in contracts:
            globs_of_bucket: defaultdict[str, list[Glob]] = defaultdict(list)
            for text in contract.source_paths:
                try:
                    compiled = compile_glob(text)
                except ContractError as error:
                    raise ContractError(contract.class_name, f"{text}: {error.rule}") from None
                for glob in compiled:
                    globs_of_bucket[glob.bucket].append(glob)
            for bucket, globs in globs_of_bucket.items():
                by_bucket[bucket].append((contract, tuple(globs)))
        self._by_bucket = dict(by_bucket)

    def route(self, bucket: str, key: str) -> tuple[Contract, ...]:
        """Return the contracts that claim an object, in the order they were given: none, one, or more.

        Args:
            bucket: the object's bucket.
            key: its key, decoded.
        """
        return tuple(
            contract for contract, globs in self._by_bucket.get(bucket, ()) if any(glob.matches(key) for glob in globs)
        )
