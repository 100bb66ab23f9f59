"""Which cell of a record belongs to which column, as the header says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alur.contracts.contract import Contract
from alur.delimited.records import BLANKS
from alur.errors import HeaderMismatch, visible

_OTHER_DELIMITERS = (";", "\t", "|", ",")
_MOST_SUGGESTIONS = 30
# Comparing each with each is quadratic, and a header of thousands of names is no slip of the pen.
_MOST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cell of a record is which column's.

    Args:
        positions: for each field of the contract the index of its cell; None: the file has no such column.
        extras: the index and the name of each column that the contract does not have; `_c3` where the header's cell
            is empty and another stands behind it.
        width: how many cells the header has; those at its end that are empty count.
    """

    positions: tuple[int | None, ...]
    extras: tuple[tuple[int, str], ...]
    width: int

    @property
    def named(self) -> int:
        """How many cells stand before the header's empty end: what a whole record has at least."""
        indexes = [position for position in self.positions if position is not None]
        indexes.extend(index for index, _ in self.extras)
        return max(indexes, default=-1) + 1


def match_header(path: str, contract: Contract, found: Sequence[str]) -> Layout:
    """Return which cell is which column's in a file with this header.

    The order of the columns means nothing. A column that the file lacks is null, if it may be.

    Args:
        path: of the file, for messages.
        contract: whose `source_names` are looked for.
        found: the cells of the header.

    Raises:
        HeaderMismatch: a required column is missing, or all are; a name stands there twice; or there are columns
            beside, and the contract refuses such.
    """
    names = [name.strip(BLANKS) for name in found]
    while names and not names[-1]:
        names.pop()
    key: Callable[[str], str] = str if contract.dialect.header_case == "sensitive" else str.lower
    index_of: dict[str, int] = {}
    repeated: dict[str, None] = {}
    for index, name in enumerate(names):
        if name and index_of.setdefault(key(name), index) != index:
            repeated[name] = None
    positions = tuple(index_of.get(key(field.source_name)) for field in contract.fields)
    taken = set(positions)
    extras = tuple((index, name or f"_c{index}") for index, name in enumerate(names) if index not in taken)
    absent = [field for field, position in zip(contract.fields, positions, strict=True) if position is None]
    nothing_fits = len(absent) == len(contract.fields)
    missing = [field.source_name for field in absent if nothing_fits or not field.nullable]
    refused = [name for _, name in extras] if contract.dialect.extra_columns == "refuse" else []
    if missing or repeated or refused:
        unplaced = [name for index, name in extras if names[index] and name not in repeated]
        raise HeaderMismatch(
            path,
            contract.source_names,
            names,
            missing=missing,
            extra=refused or (unplaced if missing else []),
            repeated=tuple(repeated),
            suggestions=_suggestions(contract, names, [field.source_name for field in absent], unplaced),
        )
    return Layout(positions, extras, len(found))


def positional(contract: Contract) -> Layout:
    """Return the layout of a file whose cells are the contract's fields, in their order.

    Args:
        contract: whose.
    """
    return Layout(tuple(range(len(contract.fields))), (), len(contract.fields))


def _suggestions(
    contract: Contract, names: Sequence[str], absent: Sequence[str], unplaced: Sequence[str]
) -> tuple[str, ...]:
    """Return a sentence for each name that may be a slip of the pen."""
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches

    if len(names) == 1 and len(contract.fields) > 1:
        for delimiter in _OTHER_DELIMITERS:
            if delimiter != contract.dialect.delimiter and delimiter in names[0]:
                return (f"the header is one cell that holds {delimiter!r}: is that Meta.delimiter?",)
    if not names or not unplaced or len(unplaced) > _MOST_COMPARED:
        return ()
    sentences = []
    wanted = {name.lower(): name for name in absent}
    for name in unplaced:
        (nearest, *_) = get_close_matches(name[:255].lower(), wanted, n=1, cutoff=0.7) or [""]
        if nearest:
            sentences.append(f"{visible(name[:255])}: did you mean {wanted[nearest]}?")
    return tuple(sentences[:_MOST_SUGGESTIONS])
