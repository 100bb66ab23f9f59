"""The columns of a table: as a user declares them, and as the other rooms see them.

A declaration (`StringField(nullable=False)`) has no name and never changes, so that one may stand in several classes.
`BronzeTable` gives each its name when it makes the class's contract: a `Field`.

The Spark types are those that Spark SQL's DDL and Iceberg both know by these names
(https://iceberg.apache.org/docs/latest/spark-getting-started/#type-compatibility).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alur.contracts.formats import formats_of, problem_of_all

MAX_DECIMAL_PRECISION = 38
"""The most digits that a decimal of Spark and of Iceberg holds."""


def decimal_digits(spark_type: str) -> tuple[int, int]:
    """Return the precision and the scale of `decimal(p,s)`.

    Args:
        spark_type: such a type.
    """
    precision, scale = map(int, spark_type.removeprefix("decimal(").removesuffix(")").split(","))
    return precision, scale


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a contract.

    Args:
        name: the column's name, `[a-z0-9_]`.
        spark_type: the type in Spark SQL's DDL: `string`, `int`, `bigint`, `double`, `boolean`, `timestamp`, `date`
            or `decimal(p,s)`.
        nullable: whether a record may leave the cell empty.
        description: for people; it becomes the column's comment.
        source_name: the column's name in the file's header; empty: it is `name`, and is set to it.
        formats: how a date or a timestamp is written, in strptime's directives; empty: as in ISO 8601.
        timezone: where the clock stood that a timestamp without a zone was read from.
    """

    name: str
    spark_type: str
    nullable: bool
    description: str
    source_name: str = ""
    formats: tuple[str, ...] = ()
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not self.source_name:
            object.__setattr__(self, "source_name", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDeclaration:
    """What all fields of a contract class have in common; write one of its subclasses.

    Args:
        nullable: whether a record may leave the cell empty (or hold one of `Meta.null_values`).
        description: for people; it becomes the column's comment.
        source_name: the column's name in the file's header, where it is not the field's.
    """

    nullable: bool = True
    description: str = ""
    source_name: str = ""

    @property
    def spark_type(self) -> str:
        """The type in Spark SQL's DDL."""
        raise NotImplementedError(type(self).__name__)

    def as_field(self, name: str) -> Field:
        """Return the column that this declares.

        Args:
            name: what the class calls it.
        """
        return Field(name, self.spark_type, self.nullable, self.description, self.source_name)

    def problem(self) -> str | None:
        """Say what is wrong with this declaration and what to write instead, or None.

        Not raised by the constructor, because only the class that holds the field can say which field it is.
        """
        # As objects, because a contract need not have been through a type checker.
        nullable: object = self.nullable
        description: object = self.description
        if not isinstance(nullable, bool):
            return f"nullable is {nullable!r}; write True or False"
        if not isinstance(description, str):
            return f"description is {description!r}; write a text"
        source_name: object = self.source_name
        if not isinstance(source_name, str) or source_name != source_name.strip():
            return f"source_name is {source_name!r}; write the name in the header, without blanks around it"
        return None


class StringField(FieldDeclaration):
    """Text, kept as it is in the file."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`string`."""
        return "string"


class IntegerField(FieldDeclaration):
    """A whole number of 32 bits: up to 2,147,483,647."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`int`."""
        return "int"


class LongField(FieldDeclaration):
    """A whole number of 64 bits."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`bigint`."""
        return "bigint"


class DoubleField(FieldDeclaration):
    """A floating-point number of 64 bits; for money take `DecimalField`."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`double`."""
        return "double"


class BooleanField(FieldDeclaration):
    """`true` or `false`."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`boolean`."""
        return "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampField(FieldDeclaration):
    """A moment; it is stored in UTC.

    Args:
        format: how it is written, in strptime's directives, as `%d/%m/%Y %H:%M`, or a list of such; only these count
            then. Nothing said: as in ISO 8601.
        timezone: where the clock stood that a text without a zone was read from, as `Europe/Berlin`.
        nullable: see `FieldDeclaration`.
        description: see `FieldDeclaration`.
        source_name: see `FieldDeclaration`.
    """

    format: str | Sequence[str] = ""
    timezone: str = "UTC"

    @property
    def spark_type(self) -> str:
        """`timestamp`."""
        return "timestamp"

    def as_field(self, name: str) -> Field:
        """Return the column that this declares.

        Args:
            name: what the class calls it.
        """
        return Field(
            name,
            self.spark_type,
            self.nullable,
            self.description,
            self.source_name,
            formats_of(self.format),
            self.timezone,
        )

    def problem(self) -> str | None:
        """Say what is wrong with this declaration and what to write instead, or None."""
        return (
            FieldDeclaration.problem(self)
            or problem_of_all(self.format, takes_time=True)
            or _problem_of_timezone(self.timezone)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DateField(FieldDeclaration):
    """A day of the calendar.

    Args:
        format: how it is written, in strptime's directives, as `%d/%m/%Y`, or a list of such; only these count then.
            Nothing said: as `2026-01-31`.
        nullable: see `FieldDeclaration`.
        description: see `FieldDeclaration`.
        source_name: see `FieldDeclaration`.
    """

    format: str | Sequence[str] = ""

    @property
    def spark_type(self) -> str:
        """`date`."""
        return "date"

    def as_field(self, name: str) -> Field:
        """Return the column that this declares.

        Args:
            name: what the class calls it.
        """
        return Field(name, self.spark_type, self.nullable, self.description, self.source_name, formats_of(self.format))

    def problem(self) -> str | None:
        """Say what is wrong with this declaration and what to write instead, or None."""
        return FieldDeclaration.problem(self) or problem_of_all(self.format, takes_time=False)


@dataclass(frozen=True, slots=True)
class DecimalField(FieldDeclaration):
    """An exact number, such as an amount of money.

    Args:
        precision: how many digits in all, 1 to 38.
        scale: how many of them stand behind the point, 0 to precision.
        nullable: see `FieldDeclaration`.
        description: see `FieldDeclaration`.
        source_name: see `FieldDeclaration`.
    """

    precision: int
    scale: int

    @property
    def spark_type(self) -> str:
        """`decimal(p,s)`."""
        return f"decimal({self.precision},{self.scale})"

    def problem(self) -> str | None:
        """Say what is wrong with this declaration and what to write instead, or None."""
        numbers: tuple[object, object] = (self.precision, self.scale)
        if any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
            return f"DecimalField({self.precision!r}, {self.scale!r}): precision and scale are whole numbers"
        if not 1 <= self.precision <= MAX_DECIMAL_PRECISION:
            return f"precision {self.precision}: write 1 to {MAX_DECIMAL_PRECISION}"
        if not 0 <= self.scale <= self.precision:
            return f"scale {self.scale}: write 0 to the precision, {self.precision}"
        return FieldDeclaration.problem(self)


def _problem_of_timezone(value: object) -> str | None:
    if value == "UTC":
        return None
    # Imported here: most contracts name no zone, and a cold start need not pay for it.
    from zoneinfo import ZoneInfo

    try:
        if isinstance(value, str) and value:
            ZoneInfo(value)
            return None
    except (KeyError, ValueError, OSError):
        pass
    return f"timezone is {value!r}, which is no time zone; write UTC, or a name as Europe/Berlin"
