"""What a column's samples fit: the narrowest type that takes them all, and how it is written. Pure.

Days and moments are tried with the parsers that read the files later, so that what is inferred here is read there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from alur.contracts.fields import MAX_DECIMAL_PRECISION
from alur.delimited.moments import date_parser, timestamp_parser
from alur.delimited.problems import BadCell
from alur.delimited.records import BLANKS
from alur.delimited.rows import quoted

NULL_TOKENS = frozenset({"NA", "N/A", "n/a", "NULL", "Null", "null", "-", r"\N", "#N/A"})
"""Texts that stand for null where the column's other cells are no text."""

USUAL_PRECISION = 18
"""The digits of a decimal that needs no more: the next file may have a larger number."""

_INT = (-(2**31), 2**31 - 1)
_BIGINT = (-(2**63), 2**63 - 1)
_MOST_DIGITS = 400  # of a number; what is longer is a text
_REMEMBERED = 2000
_FEW = 5
_GROUP = 3

_WHOLE = re.compile(r"[+-]?[0-9]+").fullmatch
_BOOLEAN_TRUE = frozenset({"true", "t", "yes", "y"})
_BOOLEAN_FALSE = frozenset({"false", "f", "no", "n"})
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity"})
# With its plus a number of a telephone is lost.
_TELEPHONE = re.compile(r"\+[0-9]{7,}").fullmatch
_PACKED = re.compile(r"(?:19|20)[0-9]{6}(?:[0-9]{6})?").fullmatch


@dataclass(frozen=True, slots=True)
class Style:
    """How numbers are written.

    Args:
        decimal: stands before the fraction.
        thousands: stands between each three digits; None: nothing does.
    """

    decimal: str
    thousands: str | None


USUAL = Style(".", None)
"""How most files write numbers."""

STYLES: tuple[Style, ...] = (
    USUAL,
    Style(",", None),
    *(Style(".", thousands) for thousands in ",' \u00a0\u202f"),
    *(Style(",", thousands) for thousands in ".' \u00a0\u202f"),
)
"""The ways of writing numbers that are known here, the usual first."""

_DATES = (
    "",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
)
_TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
_TIMESTAMPS = (
    "",
    *(f"{day}{blank}{time}" for day in _DATES[1:] for time in _TIMES for blank in " T" if day != "%Y%m%d"),
    "%Y%m%d%H%M%S",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H:%M:%S",
    "%Y%m%dT%H%M%S",
    "%Y%m%dT%H%M%S%z",
)
_LONGEST_MOMENT = 40


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column is taken for.

    Args:
        spark_type: in Spark SQL's DDL.
        format: of a date or a timestamp, in strptime's directives; empty: as in ISO 8601.
        nullable: whether a cell of it was empty, or stood for null.
        null_tokens: what stood for null.
        note: what was decided, and could be otherwise; empty: nothing.
    """

    spark_type: str
    format: str = ""
    nullable: bool = False
    null_tokens: frozenset[str] = frozenset()
    note: str = ""


class ColumnSamples:
    """The cells of one column; what they come to is kept, they are not.

    Args:
        name: of the column; a name that speaks of days decides where the cells do not.
    """

    __slots__ = (
        "_moments",
        "_name",
        "_numbers",
        "_remembered",
        "_seen_false",
        "_seen_true",
        "_single_letters",
        "_takes_boolean",
        "_telephone",
        "_zeros",
        "count",
        "is_empty_somewhere",
        "tokens",
    )

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._numbers = {style: _Numbers(style) for style in STYLES}
        self._moments: list[_Moment] | None = None
        self._takes_boolean = True
        self._single_letters = True
        self._seen_true = self._seen_false = False
        self._zeros = self._telephone = False
        self._remembered: set[str] = set()
        self.count = 0
        self.is_empty_somewhere = False
        self.tokens: set[str] = set()

    def add(self, cell: str) -> None:
        """Take a cell's text."""
        text = cell.strip(BLANKS)
        if not text:
            self.is_empty_somewhere = True
            return
        if text in NULL_TOKENS:
            self.tokens.add(text)
            return
        self.count += 1
        if text in self._remembered:
            return
        if len(self._remembered) < _REMEMBERED and len(text) <= _LONGEST_MOMENT:
            self._remembered.add(text)
        if self._moments is None:
            self._moments = list(_all_moments())
        if self._moments:
            short = len(text) <= _LONGEST_MOMENT
            self._moments = [moment for moment in self._moments if short and moment.takes(text)]
        if self._takes_boolean:
            self._add_boolean(text.lower())
        if self._numbers:
            self._add_number(text)

    def styles(self) -> frozenset[Style]:
        """The ways of writing numbers in which every cell is one."""
        return frozenset(self._numbers) if self.count else frozenset()

    def proven_styles(self) -> frozenset[Style]:
        """Those of them in which a cell stands that has no other meaning."""
        return frozenset(style for style in self.styles() if self._numbers[style].is_proven)

    def day_comes_first(self) -> bool | None:
        """Whether the day stands before the month; None: the cells do not say."""
        formats = {moment.format for moment in self._moments or ()}
        if not self.count or any(_swapped(text) in formats for text in formats if text):
            return None
        orders = {_is_day_first(text) for text in formats} - {None}
        return orders.pop() if len(orders) == 1 else None

    def guess(self, style: Style = USUAL, *, day_first: bool = True, nulls: frozenset[str] = frozenset()) -> Guess:
        """Return what the column is taken for.

        Args:
            style: how the file writes numbers.
            day_first: how a day is read that can be read in two ways.
            nulls: what stands for null in the file anyway, though no column like this one needs it.
        """
        found = self._guess(style, day_first)
        tokens = frozenset(self.tokens) if found.spark_type != "string" else frozenset(self.tokens) & nulls
        nullable = self.is_empty_somewhere or bool(tokens) or not self.count
        return Guess(found.spark_type, found.format, nullable, tokens, found.note)

    def _guess(self, style: Style, day_first: bool) -> Guess:
        if not self.count:
            return Guess("string", note="" if self.tokens else "it has no value in the samples")
        return self._moment(day_first) or self._boolean() or self._number(style) or Guess("string")

    def _add_boolean(self, text: str) -> None:
        if text in _BOOLEAN_TRUE or text == "1":
            self._seen_true = True
        elif text in _BOOLEAN_FALSE or text == "0":
            self._seen_false = True
        else:
            self._takes_boolean = False
        self._single_letters = self._single_letters and len(text) == 1

    def _add_number(self, text: str) -> None:
        if len(text) > _MOST_DIGITS:
            self._numbers = {}
            return
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0" and digits[1].isdecimal():
            self._zeros = True
        if _TELEPHONE(text):
            self._telephone = True
        self._numbers = {style: numbers for style, numbers in self._numbers.items() if numbers.take(text)}

    def _boolean(self) -> Guess | None:
        # A column of one letter only may as well be a code.
        if not self._takes_boolean or USUAL in self._numbers:
            return None
        if self._single_letters and not (self._seen_true and self._seen_false):
            return None
        return Guess("boolean")

    def _number(self, style: Style) -> Guess | None:
        numbers = self._numbers.get(style)
        if numbers is None:
            if self._numbers:
                return Guess("string", note="text: how its numbers are meant cannot be told, or is not as elsewhere")
            return None
        if self._zeros:
            return Guess("string", note="text: its numbers begin with zeros, which would be lost")
        if self._telephone:
            return Guess("string", note="text: its numbers begin with a plus, which would be lost")
        return numbers.guess()

    def _moment(self, day_first: bool) -> Guess | None:
        moments = list(self._moments or ())
        # What is digits only may as well be a number.
        if moments and USUAL in self._numbers:
            speaks = re.search(r"date|datum|day|time|_at$|_on$|^dt|dt$", self._name.lower()) is not None
            if not all(map(_PACKED, self._remembered)) or not (speaks or len(self._remembered) >= _FEW):
                return None
            note = f"its digits are read as a {moments[0].kind}"
            return Guess(moments[0].kind, moments[0].format, note=note)
        if not moments:
            return None
        formats = {moment.format for moment in moments}
        for moment in moments:
            other = _swapped(moment.format)
            if moment.format and other in formats:
                chosen = moment.format if _is_day_first(moment.format) is day_first else other
                sample = quoted(min(self._remembered, default=""))
                order = "the day before the month" if day_first else "the month before the day"
                rejected = other if chosen == moment.format else moment.format
                return Guess(moment.kind, chosen, note=f"{sample} is read with {order}; {rejected} would fit too")
        note = "a time without a zone is read as UTC" if moments[0].kind == "timestamp" else ""
        return Guess(moments[0].kind, moments[0].format, note=note)


class _Numbers:
    """What a column's cells are as numbers, written in one way."""

    __slots__ = (
        "_decimal",
        "_grouped",
        "_high",
        "_low",
        "_number",
        "_thousands",
        "digits",
        "form",
        "is_proven",
        "scale",
    )

    def __init__(self, style: Style) -> None:
        point = re.escape(style.decimal)
        grouping = "" if style.thousands is None else rf"[0-9]{{1,3}}(?:{re.escape(style.thousands)}[0-9]{{3}})+|"
        self._number = re.compile(
            rf"[+-]?(?:(?P<whole>{grouping}[0-9]+)(?:{point}(?P<behind>[0-9]*))?|{point}(?P<alone>[0-9]+))"
            r"(?P<exponent>[eE][+-]?[0-9]+)?"
        ).fullmatch
        self._thousands = style.thousands
        self._low = self._high = 0
        self.digits = self.scale = 0
        self.form = "whole"
        self.is_proven = False

    def take(self, text: str) -> bool:
        """Take a cell's text, and say whether it is a number."""
        if text in _NOT_FINITE:
            self.form = "double"
            return True
        match = self._number(text)
        if match is None:
            return False
        whole = match["whole"] or ""
        groups = 0
        if self._thousands is not None and self._thousands in whole:
            groups = whole.count(self._thousands)
            whole = whole.replace(self._thousands, "")
        behind = match["behind"] if match["behind"] is not None else match["alone"]
        if match["exponent"]:
            self.form = "double"
        if behind is not None and self.form == "whole":
            self.form = "decimal"
        self._prove(whole, behind, groups, bool(match["exponent"]))
        self.digits = max(self.digits, len(whole.lstrip("0")))
        self.scale = max(self.scale, len(behind or ""))
        if behind is None and not match["exponent"]:
            value = -int(whole) if text[0] == "-" else int(whole)
            self._low, self._high = min(self._low, value), max(self._high, value)
        return True

    def guess(self) -> Guess | None:
        """Return the narrowest type that takes all of them; None: none does."""
        if self.form == "double":
            return Guess("double")
        if self.form == "whole":
            for kind, (least, most) in (("int", _INT), ("bigint", _BIGINT)):
                if least <= self._low and self._high <= most:
                    return Guess(kind)
        needed = self.digits + self.scale
        if needed > MAX_DECIMAL_PRECISION:
            return Guess("string", note=f"text: its numbers have {needed} digits, more than a decimal holds")
        precision = USUAL_PRECISION if needed <= USUAL_PRECISION else MAX_DECIMAL_PRECISION
        is_guessed = self._thousands is None and self.scale == _GROUP and not self.is_proven
        note = "its numbers are read as fractions; three digits stand behind each point, as behind a thousand's"
        return Guess(f"decimal({precision},{self.scale})", note=note if is_guessed else "")

    def _prove(self, whole: str, behind: str | None, groups: int, has_exponent: bool) -> None:
        """Note whether the cell could not be meant otherwise: one group of three may be a fraction, and the reverse."""
        if self._thousands is None:
            if behind is not None and (len(behind) != _GROUP or len(whole) > _GROUP or has_exponent):
                self.is_proven = True
        elif groups > 1 or (groups == 1 and behind is not None) or (groups == 1 and self._thousands not in ".,"):
            self.is_proven = True


@dataclass(frozen=True, slots=True)
class _Moment:
    """A way to write days or moments."""

    kind: str
    format: str
    parse: Callable[[str], Any]

    def takes(self, text: str) -> bool:
        try:
            self.parse(text)
        except BadCell:
            return False
        return True


@lru_cache(1)
def _all_moments() -> Sequence[_Moment]:
    return [
        *(_Moment("date", text, date_parser((text,) if text else ())) for text in _DATES),
        *(_Moment("timestamp", text, timestamp_parser((text,) if text else (), "UTC")) for text in _TIMESTAMPS),
    ]


def _swapped(text: str) -> str:
    """The same format with day and month in the other order; empty: the month is a name."""
    if "%m" not in text or "%d" not in text or text.startswith("%Y"):
        return ""
    return text.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _is_day_first(text: str) -> bool | None:
    if not _swapped(text):
        return None
    return text.index("%d") < text.index("%m")
