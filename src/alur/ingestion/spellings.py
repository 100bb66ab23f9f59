r"""The cells that the engine converts as `alur.delimited` does, as patterns of their text. Pure: no I/O.

A pattern takes nothing that has no value: neither the 30th of February nor a number that is out of range. So a cell
that it takes need not be looked at after its conversion. What it does not take is for the careful reading to judge.

The patterns mean the same to Java and, with `\Z` for `\z`, to Python. A record's cells of one kind are tried together,
joined by line feeds, which stand in no cell of a line: few calls for a record, however many columns it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from alur.contracts.fields import Field, decimal_digits
from alur.delimited.cells import null_texts

ABSENT = "\r"
"""Stands for a cell without anything in it, in joined cells."""

BETWEEN = "\n"
"""Stands between joined cells."""

# Long texts of digits are left out: more of them than a double has range for.
_DIGITS = "[0-9]{1,200}"
_DOUBLE = rf"[+-]?(?:{_DIGITS}(?:\.[0-9]{{0,200}})?|\.{_DIGITS})(?:[eE][+-]?[0-9]{{1,2}})?"
_BOOLEAN = "(?i:true|false|t|f|yes|no|y|n|1|0)"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY_OF_YEAR = (
    "(?:(?:0?[13578]|1[02])-(?:0?[1-9]|[12][0-9]|3[01])|(?:0?[469]|11)-(?:0?[1-9]|[12][0-9]|30)"
    "|0?2-(?:0?[1-9]|1[0-9]|2[0-8]))"
)
# Years at either end are left out: an hour of another time zone may be in a year that nothing can hold.
_DATE = f"(?!0000|0001|9999)(?:[0-9]{{4}}-{_DAY_OF_YEAR}|{_LEAP_YEAR}-0?2-29)"
_ZONE = "(?:Z| ?UTC|[+-](?:(?:0[0-9]|1[0-7]):?[0-5][0-9]|18:?00))"
# The engine takes a zone behind seconds only.
_TIME = rf"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?{_ZONE}?)?"

ZONED = rf"{_ZONE} *\z"
"""Text of a timestamp that says which time zone it means."""


def spelling(spark_type: str) -> str:
    """Return the pattern of a type's values, without the spaces around them.

    Args:
        spark_type: any but string.
    """
    if spark_type in ("int", "bigint"):
        most = 2 ** (31 if spark_type == "int" else 63) - 1
        return f"[+-]?0*(?:{_up_to(str(most))})"
    if spark_type.startswith("decimal"):
        precision, scale = decimal_digits(spark_type)
        whole = f"0*[0-9]{{1,{precision - scale}}}" if precision > scale else "0+"
        # Digits beyond the scale may only be zeros; without a scale there is nothing that begins with the point.
        begins_with_point = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
        return rf"[+-]?(?:{whole}(?:\.[0-9]{{0,{scale}}}0*)?{begins_with_point})"
    return {
        "double": _DOUBLE,
        "boolean": _BOOLEAN,
        "date": _DATE,
        "timestamp": f"{_DATE}(?:[T ]{_TIME})?",
    }[spark_type]


def is_spelled(spark_type: str, text: str) -> bool:
    """Whether a text is one of a type's values.

    Args:
        spark_type: any but string.
        text: without blanks around it.
    """
    return re.fullmatch(spelling(spark_type), text) is not None


def joined_pattern(fields: Sequence[Field], null_values: Sequence[str]) -> str | None:
    """Return the pattern of joined cells that all have a value, or none where that is allowed; None: there is no other.

    Args:
        fields: of one type, all nullable or all required.
        null_values: what stands for null, beside the empty cell.
    """
    kind = fields[0]
    if kind.spark_type == "string":
        if kind.nullable:
            return None
        return _all(f"{_none_of([ABSENT, *_in_a_line(null_values)])}[^{BETWEEN}]*+")
    nulls = _in_a_line(sorted(null_texts(null_values)))
    value = f" *+{spelling(kind.spark_type)} *+"
    if kind.nullable:
        return _all(f"(?:{value}|{ABSENT}| *+{_any_of(nulls)} *+)")
    spelled = [token for token in nulls if is_spelled(kind.spark_type, token)]
    return _all(f"(?! *+{_any_of(spelled)} *(?:{BETWEEN}|\\z)){value}" if spelled else value)


def _all(cell: str) -> str:
    """Return the pattern of joined cells; possessive, so that the engine's matcher does not recurse."""
    # Each must end where it does before the next is tried: nothing that was passed is gone back to.
    whole = rf"{cell}(?={BETWEEN}|\z)"
    return rf"^{whole}(?:{BETWEEN}{whole})*+\z"


def _in_a_line(texts: Sequence[str]) -> list[str]:
    """Return those without a line end: one with it stands in no line, and would be found in two cells."""
    return [text for text in texts if BETWEEN not in text and ABSENT not in text]


def _any_of(texts: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})"


def _none_of(texts: Sequence[str]) -> str:
    return rf"(?!{_any_of(texts)}(?:{BETWEEN}|\z))"


def _up_to(most: str) -> str:
    """Return the pattern of whole numbers up to one, without zeros before them."""
    fewer = f"[0-9]{{1,{len(most) - 1}}}"
    smaller = [
        f"{most[:place]}[{0 if place else 1}-{int(digit) - 1}][0-9]{{{len(most) - place - 1}}}"
        for place, digit in enumerate(most)
        if int(digit) > (0 if place else 1)
    ]
    return "|".join([fewer, *smaller, most])
