"""A contract that samples were found to fit, and its Python source. Pure."""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from alur.contracts.dialect import Dialect
from alur.contracts.fields import decimal_digits
from alur.delimited.inference import Guess

_WIDTH = 88
_LONGEST = 255
_CLASSES = {
    "string": "StringField",
    "int": "IntegerField",
    "bigint": "LongField",
    "double": "DoubleField",
    "boolean": "BooleanField",
    "date": "DateField",
    "timestamp": "TimestampField",
}
_LETTERS = {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d"}
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST_KEY = 200
_LAST_ASCII = 127


@dataclass(frozen=True, slots=True)
class InferredColumn:
    """A column.

    Args:
        name: the field's.
        source_name: the name in the header; None: it has none.
        guess: what it is taken for.
    """

    name: str
    source_name: str | None
    guess: Guess


@dataclass(frozen=True, slots=True)
class InferredTable:
    """A contract.

    Args:
        class_name: of its class.
        source_path: its glob.
        source_system: where the files come from; empty: nobody said.
        dialect: how the files are written.
        null_values: what stands for null.
        columns: in the order of the files.
        notes: what was decided, and could be otherwise.
    """

    class_name: str
    source_path: str
    source_system: str
    dialect: Dialect
    null_values: tuple[str, ...]
    columns: tuple[InferredColumn, ...]
    notes: tuple[str, ...]

    def with_texts(self, names: Container[str | None], note: str) -> InferredTable:
        """Return it with these columns as nullable texts.

        Args:
            names: of the columns.
            note: why.
        """
        text = Guess("string", nullable=True, note=note)
        columns = [replace(column, guess=text) if column.name in names else column for column in self.columns]
        return replace(self, columns=tuple(columns))


def column_names(header: Sequence[str]) -> list[str]:
    """Return a field's name for each name of a header: of a-z, digits and _, and no two the same.

    Args:
        header: the names.
    """
    taken: set[str] = set()
    names: list[str] = []
    for number, text in enumerate(header):
        base = _snake(text)[: _LONGEST - 10] or f"column_{number + 1}"
        if base[0].isdecimal():
            base = f"c_{base}"
        if keyword.iskeyword(base):
            base = f"{base}_"
        name = base
        count = 1
        while name in taken:
            count += 1
            name = f"{base.rstrip('_')}_{count}"
        taken.add(name)
        names.append(name)
    return names


def class_name_of(file_name: str) -> str:
    """Return a class's name for the table of a file: `orders_2024-01-31.csv.gz` is of `OrdersBronze`.

    Args:
        file_name: without its folders.
    """
    # What stands behind the first point, and dates and numbers of parts, tell files of one table apart.
    words = [word for word in _snake(file_name.split(".")[0]).split("_") if not word.isdecimal()]
    while words and not words[0][0].isalpha():
        words.pop(0)
    stem = "".join(word.capitalize() for word in words)[:_LONGEST_KEY] or "Samples"
    return f"{stem}Bronze"


def source_of(table: InferredTable) -> str:
    """Return the Python source of a contract's class.

    Args:
        table: the contract.
    """
    used = sorted({"BronzeTable", *(_class_of(column.guess.spark_type) for column in table.columns)})
    lines = ["from __future__ import annotations", "", _import(used), "", "", f"class {table.class_name}(BronzeTable):"]
    lines.append('    """Inferred from samples: look through it, and correct what is not meant so."""')
    lines.append("")
    lines += [f"    # {_comment(note)}" for note in table.notes]
    lines += [""] if table.notes else []
    for column in table.columns:
        if column.guess.note:
            lines.append(f"    # {_comment(f'{column.name}: {column.guess.note}')}")
        lines.append(
            _call(f"    {column.name} = {_class_of(column.guess.spark_type)}", list(_arguments(table, column)))
        )
    lines += ["", "    class Meta:", *(f"        {line}" for line in _meta(table))]
    return "\n".join(lines) + "\n"


def _snake(text: str) -> str:
    for letter, other in _LETTERS.items():
        text = text.replace(letter, other)
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", _WORD_BOUNDARY.sub("_", plain).lower()).strip("_")


def _class_of(spark_type: str) -> str:
    return _CLASSES.get(spark_type, "DecimalField")


def _import(names: Sequence[str]) -> str:
    line = f"from alur.contracts import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(["from alur.contracts import (", *(f"    {name}," for name in names), ")"])


def _arguments(table: InferredTable, column: InferredColumn) -> Iterator[str]:
    guess = column.guess
    if guess.spark_type.startswith("decimal"):
        yield from map(str, decimal_digits(guess.spark_type))
    if not guess.nullable:
        yield "nullable=False"
    if guess.format:
        yield f"format={literal(guess.format)}"
    if column.source_name is not None:
        same = column.source_name if table.dialect.header_case == "sensitive" else column.source_name.lower()
        if same != column.name:
            yield f"source_name={literal(column.source_name)}"


def _call(head: str, arguments: list[str]) -> str:
    line = f"{head}({', '.join(arguments)})"
    if len(line) <= _WIDTH:
        return line
    # The comma at the end keeps it so, however wide a line may be.
    return "\n".join([f"{head}(", *(f"        {argument}," for argument in arguments), "    )"])


def _meta(table: InferredTable) -> Iterator[str]:
    yield f"source_path = {literal(table.source_path)}"
    if table.source_system:
        yield f"source_system = {literal(table.source_system)}"
    else:
        yield 'source_system = "unknown"  # say where the files come from'
    for name, value in table.dialect.differences.items():
        yield f"{name} = {literal(value) if isinstance(value, str) else repr(value)}"
    if table.null_values:
        values = ", ".join(map(literal, table.null_values))
        yield f"null_values = ({values}{',' if len(table.null_values) == 1 else ''})"


def literal(text: str) -> str:
    """Return a text as Python source; letters of any alphabet stay as they are.

    Args:
        text: any.
    """
    quote = "'" if '"' in text and "'" not in text else '"'
    return f"{quote}{''.join(_written(letter, quote) for letter in text)}{quote}"


def _written(letter: str, quote: str) -> str:
    if letter in (quote, "\\"):
        return f"\\{letter}"
    if letter == " " or (letter.isprintable() and (ord(letter) <= _LAST_ASCII or letter.isalnum())):
        return letter
    # Of json's and Python's escapes those that are the same, but for what stands beyond 16 bits.
    return json.dumps(letter)[1:-1] if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"


def _comment(text: str) -> str:
    """A comment ends with its line: what is in it may not."""
    return "".join(letter if letter == " " or letter.isprintable() else "?" for letter in text)
