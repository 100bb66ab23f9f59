"""What the columns of sample files hold, over all of them, and the contract that they fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from alur.cli.inferred import InferredColumn, InferredTable, column_names, source_of
from alur.cli.sources import SourceFile
from alur.cli.words import say_number
from alur.contracts.contract import Contract
from alur.contracts.dialect import Dialect
from alur.contracts.table import BronzeTable
from alur.delimited.inference import USUAL, ColumnSamples, Guess, Style
from alur.delimited.preview import Preview, preview_file
from alur.delimited.records import BLANKS
from alur.delimited.rows import quoted
from alur.delimited.sniffing import Sniffed, encoding_of, sniff, table_records
from alur.errors import AlurError

_LINE_END = re.compile(r"\r\n|\r|\n")


def infer_table(
    sources: Sequence[SourceFile], *, class_name: str, source_path: str, source_system: str
) -> tuple[InferredTable, list[Preview]]:
    """Return the contract that files fit, and what they come to under it.

    Args:
        sources: the files.
        class_name: of its class.
        source_path: its glob.
        source_system: where the files come from.

    Raises:
        FileError: a file is no text that can be read.
        ContractError: the class's name or the glob cannot be.
        StorageError: S3 cannot be asked.
    """
    found = [_encoded(source) for source in sources]
    encoding = _common([encoding for encoding, _ in found])
    sniffed = [sniff(source.path, head, encoding) for source, (_, head) in zip(sources, found, strict=True)]
    dialect = sniffed[0].dialect
    notes = list(sniffed[0].notes)
    if encoding != "utf-8" and len({encoding for encoding, _ in found}) > 1:
        notes.append(f"not all samples are {encoding}: those in another encoding are read wrongly; convert them")
    named = _usable_names([one.names for one in sniffed if one.names is not None])
    if dialect.header and named is None:
        dialect = replace(dialect, header=False, skip_lines=_lines_to_data(sources[0], dialect))
        notes.append(
            "the header has empty names, or one twice: it is skipped, and the columns are taken in their order"
        )
    elif dialect.header and len({name.lower() for name in named or ()}) < len(named or ()):
        dialect = replace(dialect, header_case="sensitive")
    collected = _Collected(dialect, sniffed[0], named)
    for source in sources:
        collected.add(source)
    table = collected.table(class_name, source_path, source_system, notes)
    return _until_it_fits(table, sources)


def contract_of_source(source: str, class_name: str) -> Contract:
    """Return the contract that a class's source declares, as it would be loaded.

    Args:
        source: of a module.
        class_name: the class's.

    Raises:
        ContractError: it breaks a rule.
    """
    module: dict[str, Any] = {"__name__": "inferred"}
    exec(compile(source, "inferred.py", "exec"), module)
    declared: type[BronzeTable] = module[class_name]
    return declared.contract()


@dataclass(slots=True)
class _Collected:
    """What the columns of all files hold."""

    dialect: Dialect
    sniffed: Sniffed
    named: Sequence[str] | None
    columns: dict[str | int, ColumnSamples] = field(default_factory=dict)
    files: int = 0
    seen_in: Counter[str | int] = field(default_factory=Counter)

    def add(self, source: SourceFile) -> None:
        """Go through a file."""
        found = table_records(source.path, source.chunks(f"looking at {PurePath(source.path).name}"), self.dialect)
        keys: list[str | int] | None = None
        if self.dialect.header:
            first = next(found, None)
            if first is None or first.cells is None:
                raise AlurError(f"{source.path}: its header cannot be read as the first sample's: infer it alone")
            names = [cell.strip(BLANKS) for cell in first.cells]
            while names and not names[-1]:
                names.pop()
            keys = list(names)
            self._begin(keys)
        widest = 0
        for record in found:
            cells = record.cells
            if cells is None:
                continue
            if keys is None or (not self.dialect.header and len(cells) > widest):
                widest = max(widest, len(cells))
                keys = list(range(widest))
                self._begin(keys)
            for number, key in enumerate(keys):
                if number < len(cells):
                    self.columns[key].add(cells[number])
                else:
                    self.columns[key].is_empty_somewhere = True
        self.files += 1
        self.seen_in.update(keys or ())

    def table(self, class_name: str, source_path: str, source_system: str, notes: Iterable[str]) -> InferredTable:
        """Return what they are taken for."""
        keys = self._kept()
        names = column_names([key if isinstance(key, str) else f"column_{key + 1}" for key in keys])
        samples = [self.columns[key] for key in keys]
        for key, one in zip(keys, samples, strict=True):
            one.is_empty_somewhere = one.is_empty_somewhere or self.seen_in[key] < self.files
        style = _style(samples, self.dialect.delimiter)
        day_first = _day_first(samples)
        nulls = frozenset(token for one in samples for token in one.guess(style, day_first=day_first).null_tokens)
        guesses = [one.guess(style, day_first=day_first, nulls=nulls) for one in samples]
        said = [*notes, *_notes_of_nulls(nulls, names, guesses)]
        return InferredTable(
            class_name,
            source_path,
            source_system,
            replace(self.dialect, decimal=style.decimal, thousands=style.thousands),
            tuple(sorted(nulls)),
            tuple(
                InferredColumn(name, key if isinstance(key, str) else None, guess)
                for name, key, guess in zip(names, keys, guesses, strict=True)
            ),
            tuple(said),
        )

    def _begin(self, keys: Iterable[str | int]) -> None:
        for key in keys:
            if key not in self.columns:
                self.columns[key] = ColumnSamples(key if isinstance(key, str) else "")
                # Records that came before had no such cell.
                self.columns[key].is_empty_somewhere = isinstance(key, int) and bool(
                    self.columns.get(0, _NOTHING).count
                )

    def _kept(self) -> list[str | int]:
        """The columns, without those at the end that nothing ever stood in and no header names."""
        keys = list(self.columns)
        while len(keys) > 1 and isinstance(keys[-1], int) and not _has_anything(self.columns[keys[-1]]):
            keys.pop()
        return keys


_NOTHING = ColumnSamples()


def _has_anything(samples: ColumnSamples) -> bool:
    return bool(samples.count or samples.tokens)


def _encoded(source: SourceFile) -> tuple[str, bytes]:
    return encoding_of(source.path, source.chunks(f"looking at {PurePath(source.path).name}"))


def _common(encodings: Sequence[str]) -> str:
    """The encoding in which the most of the samples can be read."""
    for encoding in ("utf-16-le", "utf-16-be", "latin-1", "windows-1252"):
        if encoding in encodings:
            return encoding
    return "utf-8"


def _usable_names(headers: Sequence[Sequence[str]]) -> list[str] | None:
    """All names of the headers; None: a contract cannot name the columns by them."""
    every: dict[str, None] = {}
    for header in headers:
        names = [name.strip(BLANKS) for name in header]
        while names and not names[-1]:
            names.pop()
        if not names or len(set(names)) != len(names) or any(not name or name != name.strip() for name in names):
            return None
        every |= dict.fromkeys(names)
    return list(every)


def _lines_to_data(source: SourceFile, dialect: Dialect) -> int:
    """How many physical lines stand before the first record behind the header."""
    found = table_records(source.path, source.open(), dialect)
    header = next(found)
    # Its last line: a cell of a header may go over several.
    return header.line - 1 + max(1, len(_LINE_END.findall(header.raw)))


def _style(samples: Sequence[ColumnSamples], delimiter: str) -> Style:
    """The way of writing numbers that makes numbers of the most columns; what could be meant otherwise proves none."""
    proven = {style for one in samples for style in one.proven_styles()}
    candidates = [USUAL, *sorted(proven - {USUAL}, key=lambda style: (style.decimal, style.thousands or ""))]
    return max(candidates, key=lambda style: sum(style in one.styles() for one in samples))


def _day_first(samples: Sequence[ColumnSamples]) -> bool:
    """Whether days are read with the day before the month, where nothing else says: as the other columns are."""
    orders = Counter(order for one in samples if (order := one.day_comes_first()) is not None)
    return orders[False] <= orders[True]


def _notes_of_nulls(nulls: frozenset[str], names: Sequence[str], guesses: Sequence[Guess]) -> list[str]:
    texts = [
        name for name, guess in zip(names, guesses, strict=True) if guess.spark_type == "string" and guess.null_tokens
    ]
    if not texts:
        return []
    return [f"{', '.join(map(quoted, sorted(nulls)))} mean null in columns of text too: {', '.join(texts)}"]


def _until_it_fits(table: InferredTable, sources: Sequence[SourceFile]) -> tuple[InferredTable, list[Preview]]:
    """Make texts of the columns that do not take what the files hold, until nothing more is gained."""
    while True:
        contract = contract_of_source(source_of(table), table.class_name)
        previews = [
            preview_file(source.path, source.chunks(f"checking {PurePath(source.path).name}"), contract)
            for source in sources
        ]
        for preview in previews:
            if preview.error is not None and not preview.reject_count:
                raise preview.error
        typed = {column.name for column in table.columns if not _is_loose(column)}
        faulty = {reject.column for preview in previews for reject in preview.rejects}
        faulty |= {cell.column for preview in previews for cell in preview.rescued}
        if not faulty & typed:
            return _with_losses(table, previews), previews
        table = table.with_texts(faulty & typed, "text: not all of its values are of the others' type")


def _is_loose(column: InferredColumn) -> bool:
    return column.guess.spark_type == "string" and column.guess.nullable


def _with_losses(table: InferredTable, previews: Sequence[Preview]) -> InferredTable:
    rejects, cells = sum(preview.reject_count for preview in previews), sum(one.rescued_count for one in previews)
    if not rejects and not cells:
        return table
    records, lost = say_number(rejects, "record"), say_number(cells, "cell")
    note = f"of the samples {records} cannot be stored, and {lost} would be rescued: alur preview says which"
    return replace(table, notes=(*table.notes, note))
