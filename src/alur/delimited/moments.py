"""Days and moments out of text: in ISO 8601, or in the formats that a field declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from alur.contracts.formats import parts_of
from alur.delimited.problems import BadCell

_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})").fullmatch
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(Z| ?UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
).fullmatch
# What datetime.fromisoformat reads as it is meant here; it takes much else, too.
_PLAIN_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?(Z)?"
).fullmatch

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)} | {
    name[:3].lower(): number for number, name in enumerate(_MONTHS, 1)
}
# Of a directive whose digits are counted only where nothing else tells where they end.
_MOST_DIGITS = {"m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2, "f": 6}
_PATTERNS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "b": f"(?ai:{'|'.join(name[:3] for name in _MONTHS)})",
    "B": f"(?ai:{'|'.join(_MONTHS)})",
    "p": "(?ai:AM|PM)",
    "z": r"Z|UTC|[+-][0-9]{2}:?[0-9]{2}",
}
_CENTURY_TURN = 69  # as POSIX reads %y: 69 is 1969, 68 is 2068
_NOON = 12
_WIDEST_OFFSET = timedelta(hours=18)

_NO_DAY = "not a day of the calendar"
_NO_TIME = "not a time of day"
_NO_ZONE = "not a time zone"
_OUT_OF_RANGE = "out of range of timestamp (the years 0001 to 9999)"


def date_parser(formats: Sequence[str]) -> Callable[[str], date]:
    """Return what makes a day of a cell, or raises `BadCell`.

    Args:
        formats: how it may be written; empty: as `2026-01-31`.
    """
    if not formats:
        return _iso_date
    compiled = [_Format.compiled(text) for text in formats]
    complaint = f"not a date as {' or '.join(formats)}"

    def parse(text: str) -> date:
        return _first(compiled, text, complaint).moment.date()

    return parse


def timestamp_parser(formats: Sequence[str], timezone: str) -> Callable[[str], datetime]:
    """Return what makes a moment in UTC of a cell, or raises `BadCell`.

    Args:
        formats: how it may be written; empty: as in ISO 8601.
        timezone: where the clock stood, where the text does not say.
    """
    zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    if formats:
        compiled = [_Format.compiled(text) for text in formats]
        complaint = f"not a timestamp as {' or '.join(formats)}"

        def parse_format(text: str) -> datetime:
            local = _first(compiled, text, complaint)
            return _in_utc(local.moment, local.offset, zone)

        return parse_format

    def parse(text: str) -> datetime:
        plain = _PLAIN_TIMESTAMP(text)
        if plain is not None:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                pass  # the parts tell what is wrong
            else:
                if moment.tzinfo is not None:
                    return moment
                return moment.replace(tzinfo=UTC) if zone is UTC else _in_utc(moment, None, zone)
        match = _TIMESTAMP(text)
        if match is None:
            raise BadCell("not a timestamp as 2026-01-31 23:59:59")
        year, month, day, hour, minute, second, fraction, named = match.groups()
        moment = _with_time(
            _day(int(year), int(month), int(day)),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
        )
        return _in_utc(moment, _offset(named), zone)

    return parse


@dataclass(frozen=True, slots=True)
class _Local:
    """What a text says: the clock's time, and how far that is from UTC if it says so."""

    moment: datetime
    offset: timedelta | None


@dataclass(frozen=True, slots=True)
class _Format:
    """A format, compiled."""

    pattern: re.Pattern[str]

    @classmethod
    def compiled(cls, text: str) -> _Format:
        parts = parts_of(text)
        pattern = []
        for index, (is_directive, letter) in enumerate(parts):
            if not is_directive:
                pattern.append(re.escape(letter))
                continue
            digits = _MOST_DIGITS.get(letter)
            if digits is None:
                pattern.append(f"(?P<{letter}>{_PATTERNS[letter]})")
                continue
            neighbours = [parts[near] for near in (index - 1, index + 1) if 0 <= near < len(parts)]
            touching = any(_is_digits(*neighbour) for neighbour in neighbours)
            pattern.append(f"(?P<{letter}>[0-9]{{{digits if touching else 1},{digits}}})")
        return cls(re.compile("".join(pattern)))

    def read(self, text: str) -> _Local | None:
        """Return what a text says; None: it is not of this format.

        Raises:
            BadCell: it is, and there is no such day or time.
        """
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        said = match.groupdict()
        if "Y" in said:
            year = int(said["Y"])
        else:
            short = int(said["y"])
            year = short + (1900 if short >= _CENTURY_TURN else 2000)
        if "j" in said:
            first = _day(year, 1, 1)
            passed = int(said["j"]) - 1
            try:
                day = first + timedelta(days=passed)
            except OverflowError:
                raise BadCell(_NO_DAY) from None
            if day.year != year:
                raise BadCell(_NO_DAY)
        else:
            name = said.get("b") or said.get("B")
            month = int(said["m"]) if name is None else _MONTH_NUMBERS[name.lower()]
            day = _day(year, month, int(said["d"]))
        moment = _with_time(
            day,
            _hour(said),
            int(said.get("M", 0)),
            int(said.get("S", 0)),
            int(said.get("f", "").ljust(6, "0")),
        )
        return _Local(moment, _offset(said.get("z")))


def _is_digits(is_directive: bool, letter: str) -> bool:
    if is_directive:
        return letter in _MOST_DIGITS or letter in "Yy"
    return letter.isdecimal()


def _first(formats: Sequence[_Format], text: str, complaint: str) -> _Local:
    """Return what a text says by the first format that makes something of it."""
    problem: BadCell | None = None
    for form in formats:
        try:
            local = form.read(text)
        except BadCell as error:
            problem = problem or error
            continue
        if local is not None:
            return local
    raise problem or BadCell(complaint)


def _iso_date(text: str) -> date:
    match = _DATE(text)
    if match is None:
        raise BadCell("not a date as 2026-01-31")
    year, month, day = match.groups()
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise BadCell(_NO_DAY) from None


def _day(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day)  # noqa: DTZ001  the zone is known later
    except ValueError:
        raise BadCell(_NO_DAY) from None


def _with_time(day: datetime, hour: int, minute: int, second: int, microsecond: int) -> datetime:
    try:
        return day.replace(hour=hour, minute=minute, second=second, microsecond=microsecond)
    except ValueError:
        raise BadCell(_NO_TIME) from None


def _hour(said: dict[str, str]) -> int:
    if "I" not in said:
        return int(said.get("H", 0))
    hour = int(said["I"])
    if not 1 <= hour <= _NOON:
        raise BadCell(_NO_TIME)
    return hour % _NOON + (_NOON if said["p"].upper() == "PM" else 0)


def _offset(named: str | None) -> timedelta | None:
    if named is None:
        return None
    if named == "Z" or named.endswith("UTC"):
        return timedelta(0)
    hours, minutes = int(named[1:3]), int(named[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _WIDEST_OFFSET:
        raise BadCell(_NO_ZONE)
    return -offset if named[0] == "-" else offset


def _in_utc(local: datetime, offset: timedelta | None, zone: tzinfo) -> datetime:
    try:
        if offset is not None:
            return (local - offset).replace(tzinfo=UTC)
        if zone is UTC:
            return local.replace(tzinfo=UTC)
        # Of two moments that the clock shows twice, Python takes the earlier.
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        back = moment.astimezone(zone)
    except OverflowError:
        raise BadCell(_OUT_OF_RANGE) from None
    if back.replace(tzinfo=None) != local:
        raise BadCell(f"no time in {zone}: the clock was put forward over it")
    return moment
