"""The formats of dates and timestamps that a field may declare: strptime's directives, checked and taken apart.

Only directives that mean the same on every machine are taken: month names are English, whatever the locale.
"""

from __future__ import annotations

from collections.abc import Sequence

DATE_DIRECTIVES = "YymdbBj"
"""The directives that a day is made of."""

TIME_DIRECTIVES = "HIMSfpz"
"""The directives that only a timestamp has."""

_SAME = ("Yy", "mbB", "HI")
_NEEDS = {"M": "HI", "S": "M", "f": "S", "I": "p", "p": "I", "z": "HI"}


def parts_of(text: str) -> tuple[tuple[bool, str], ...]:
    """Return a format's parts in order: (True, a directive's letter) or (False, a literal character).

    Args:
        text: as `%d/%m/%Y`.

    Raises:
        ValueError: a `%` begins no directive that is taken; the message says which are.
    """
    parts: list[tuple[bool, str]] = []
    characters = iter(text)
    for character in characters:
        if character != "%":
            parts.append((False, character))
            continue
        letter = next(characters, "")
        if letter == "%":
            parts.append((False, "%"))
        elif letter and letter in DATE_DIRECTIVES + TIME_DIRECTIVES:
            parts.append((True, letter))
        else:
            known = " ".join(f"%{one}" for one in DATE_DIRECTIVES + TIME_DIRECTIVES)
            raise ValueError(f"%{letter} is no directive that is known here; those are {known} %%")
    return tuple(parts)


def problem_of(text: str, *, takes_time: bool) -> str | None:
    """Say why a format makes no day or no moment, and what to write instead; None: it does.

    Args:
        text: the format.
        takes_time: whether it is a timestamp's.
    """
    try:
        letters = [letter for is_directive, letter in parts_of(text) if is_directive]
    except ValueError as error:
        return f"format {text!r}: {error}"
    timed = [letter for letter in letters if letter in TIME_DIRECTIVES]
    if timed and not takes_time:
        return f"format {text!r}: %{timed[0]} is no part of a day; declare a TimestampField"
    for letter in letters:
        if letters.count(letter) > 1:
            return f"format {text!r}: %{letter} stands there twice; write it once"
    for same in _SAME:
        said = [letter for letter in letters if letter in same]
        if len(said) > 1:
            return f"format {text!r}: %{said[0]} and %{said[1]} say the same; keep one"
    has_month = any(letter in "mbB" for letter in letters)
    if "j" in letters and (has_month or "d" in letters):
        return f"format {text!r}: %j is the day of the year; leave the month and %d out"
    if not any(letter in "Yy" for letter in letters) or not ("j" in letters or (has_month and "d" in letters)):
        return f"format {text!r}: it makes no day; name year, month and day, as %d/%m/%Y"
    for letter, needed in _NEEDS.items():
        if letter in letters and not any(one in letters for one in needed):
            return f"format {text!r}: %{letter} needs {' or '.join(f'%{one}' for one in needed)} beside it"
    return None


def formats_of(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return what a field's `format` says as a tuple; empty: nothing is said.

    Args:
        value: a format, or several.
    """
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(value)


def problem_of_all(value: object, *, takes_time: bool) -> str | None:
    """Say why a field's `format` makes no sense, and what to write instead; None: it does.

    Args:
        value: what the user wrote.
        takes_time: whether the field is a timestamp.
    """
    if not isinstance(value, (str, Sequence)) or not all(isinstance(one, str) for one in value):
        return f"format is {value!r}; write a text, as %d/%m/%Y, or a list of them"
    formats = formats_of(value)
    if len(set(formats)) != len(formats):
        return f"format {list(formats)!r}: one of them stands there twice; keep one of each"
    for text in formats:
        problem = problem_of(text, takes_time=takes_time)
        if problem is not None:
            return problem
    return None
