"""How the files of a table are written: delimiter, quotes, encoding, numbers, and how much of them may be bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from alur.errors import ContractError

_ENCODINGS: Mapping[str, str] = {
    "utf8": "utf-8",
    "utf8sig": "utf-8",
    "ascii": "utf-8",
    "usascii": "utf-8",
    "utf16": "utf-16",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "latin1": "latin-1",
    "iso88591": "latin-1",
    "windows1252": "windows-1252",
    "cp1252": "windows-1252",
}
_HEADER_CASES = ("insensitive", "sensitive")
_EXTRA_COLUMNS = ("rescue", "ignore", "refuse")
_COMPRESSIONS = ("auto", "none", "gzip", "bzip2", "zstd")
_MAX_RECORD_MB = 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table's files are written. Each attribute is a name of `Meta`; the defaults are those of most files.

    Args:
        delimiter: stands between cells, one character.
        quote: stands around a cell that holds a delimiter or a line end, one character; None: nothing is quoted.
        escape: makes the character behind it an ordinary one; None: a quote inside quotes is doubled. A doubled quote
            counts beside an escape too.
        encoding: `utf-8`, `utf-16`, `utf-16-le`, `utf-16-be`, `latin-1` or `windows-1252`. A file's byte order mark
            counts more.
        header: whether the first record names the columns; False: the cells are the fields, in their order.
        comment: a line that begins with this character, outside quotes, is no record.
        skip_lines: how many physical lines stand before the header.
        trim: whether blanks around the cells of string columns are taken off.
        decimal: stands before the fraction of a number.
        thousands: stands between each three digits of a number.
        header_case: `insensitive` or `sensitive`: whether `ID` names the column `id`.
        extra_columns: `rescue`, `ignore` or `refuse`: what becomes of columns that the contract does not have.
        max_bad_rows: how many records may be rejected before the file fails; None: any number.
        max_bad_fraction: which part of the records may be rejected before the file fails, 0 to 1; None: any.
        max_record_mb: how long a record may be, in millions of characters (1,048,576 each).
        max_uncompressed_mb: how much a compressed file may hold, in MiB.
        multiline: True: quoted line ends are normal in these files; False: a quoted cell ends with its line; None: it
            is found out.
        compression: `auto` (the file's first bytes say), `none`, `gzip`, `bzip2` or `zstd`.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    header: bool = True
    comment: str | None = None
    skip_lines: int = 0
    trim: bool = False
    decimal: str = "."
    thousands: str | None = None
    header_case: str = "insensitive"
    extra_columns: str = "rescue"
    max_bad_rows: int | None = None
    max_bad_fraction: float | None = None
    max_record_mb: int = 16
    max_uncompressed_mb: int = 4096
    multiline: bool | None = None
    compression: str = "auto"

    def problem(self) -> str | None:
        """Say what is wrong and what to write instead, beginning with the name in `Meta`; None: nothing is."""
        return self._problem_of_characters() or self._problem_of_choices() or self._problem_of_numbers()

    @property
    def differences(self) -> dict[str, Any]:
        """What is not as in most files, by name."""
        return {name: value for name, value in asdict(self).items() if value != DIALECT_DEFAULTS[name]}

    def _problem_of_characters(self) -> str | None:
        characters: dict[str, object] = {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "escape": self.escape,
            "comment": self.comment,
            "decimal": self.decimal,
            "thousands": self.thousands,
        }
        for name, value in characters.items():
            if value is None and name not in ("delimiter", "decimal"):
                continue
            if not isinstance(value, str) or len(value) != 1:
                return f"Meta.{name} is {value!r}; write one character, as {_EXAMPLES[name]}"
            if value in "\r\n\0" or ord(value) > 0xFFFF or 0xD800 <= ord(value) <= 0xDFFF:
                return f"Meta.{name} is {value!r}, which no file can be told apart by; write another character"
        if self.quote is not None and self.quote == self.escape:
            return "Meta.escape is the quote; leave it out: a quote inside quotes is doubled already"
        seen: dict[object, str] = {}
        for name in ("delimiter", "quote", "escape", "comment"):
            value = characters[name]
            if value is not None and seen.setdefault(value, name) != name:
                return f"Meta.{name} and Meta.{seen[value]} are both {value!r}; change one of them"
        for name in ("quote", "escape", "comment"):
            value = characters[name]
            if isinstance(value, str) and value in " \t":
                return f"Meta.{name} is a blank; write a character that can be seen, as {_EXAMPLES[name]}"
        for name in ("decimal", "thousands"):
            value = characters[name]
            if isinstance(value, str) and (value.isalnum() or value in "+-"):
                return f"Meta.{name} is {value!r}, which is part of a number; write {_EXAMPLES[name]}"
        if self.decimal == self.thousands:
            return f"Meta.decimal and Meta.thousands are both {self.decimal!r}; change one of them"
        return None

    def _problem_of_choices(self) -> str | None:
        encoding: object = self.encoding
        if not isinstance(encoding, str) or canonical_encoding(encoding) != encoding:
            known = ", ".join(dict.fromkeys(_ENCODINGS.values()))
            return f"Meta.encoding is {encoding!r}; write one of {known}"
        for name, value, choices in (
            ("header_case", self.header_case, _HEADER_CASES),
            ("extra_columns", self.extra_columns, _EXTRA_COLUMNS),
            ("compression", self.compression, _COMPRESSIONS),
        ):
            if value not in choices:
                return f"Meta.{name} is {value!r}; write one of {', '.join(choices)}"
        flags: dict[str, object] = {"header": self.header, "trim": self.trim, "multiline": self.multiline}
        for name, flag in flags.items():
            if not isinstance(flag, bool) and not (flag is None and name == "multiline"):
                return f"Meta.{name} is {flag!r}; write True or False"
        return None

    def _problem_of_numbers(self) -> str | None:
        numbers: tuple[tuple[str, object, int, int | None], ...] = (
            ("skip_lines", self.skip_lines, 0, None),
            ("max_bad_rows", 0 if self.max_bad_rows is None else self.max_bad_rows, 0, None),
            ("max_record_mb", self.max_record_mb, 1, _MAX_RECORD_MB),
            ("max_uncompressed_mb", self.max_uncompressed_mb, 1, None),
        )
        for name, value, least, most in numbers:
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
                reach = f"{least} to {most}" if most is not None else f"{least} or more"
                return f"Meta.{name} is {value!r}; write a whole number, {reach}"
        fraction: object = self.max_bad_fraction
        if fraction is not None and (
            isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1
        ):
            return f"Meta.max_bad_fraction is {fraction!r}; write a number from 0 to 1, as 0.01 for one in a hundred"
        return None


_EXAMPLES: Mapping[str, str] = {
    "delimiter": '";"',
    "quote": '"\'", or None',
    "escape": '"\\\\", or None',
    "comment": '"#", or None',
    "decimal": '","',
    "thousands": '".", or None',
}

DIALECT_DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Dialect)}
"""The names of `Meta` that make the dialect, and what each is where nobody says."""

AS_MOST_FILES = Dialect()
"""Where nobody says anything."""


def canonical_encoding(spelling: str) -> str | None:
    """Return the one name of an encoding that `Dialect` takes; None: no file can be declared to be in it.

    Args:
        spelling: as `UTF8`, `iso-8859-1` or `cp1252`.
    """
    return _ENCODINGS.get(spelling.strip().lower().replace("-", "").replace("_", ""))


def dialect_of(contract: str, meta: Mapping[str, Any]) -> Dialect:
    """Return the dialect that a class declares.

    Args:
        contract: the class's name, for the message.
        meta: what its `Meta` says, by name; names that are no part of the dialect are left alone.

    Raises:
        ContractError: a value makes no sense.
    """
    said = {name: meta[name] for name in DIALECT_DEFAULTS if name in meta}
    encoding = said.get("encoding")
    if isinstance(encoding, str):
        said["encoding"] = canonical_encoding(encoding) or encoding
    dialect = Dialect(**said)
    problem = dialect.problem()
    if problem is not None:
        raise ContractError(contract, problem)
    return dialect
