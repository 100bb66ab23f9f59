"""The columns of a table: as a user declares them, and as the other rooms see them.

A declaration (`StringField(nullable=False)`) has no name and never changes, so that one may stand in several classes.
`BronzeTable` gives each its name when it makes the class's contract: a `Field`.

The Spark types are those that Spark SQL's DDL and Iceberg both know by these names
(https://iceberg.apache.org/docs/latest/spark-getting-started/#type-compatibility).
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_DECIMAL_PRECISION = 38
"""The most digits that a decimal of Spark and of Iceberg holds."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a contract.

    Args:
        name: the column's name, `[a-z0-9_]`; it is also the name in the file's header.
        spark_type: the type in Spark SQL's DDL: `string`, `int`, `bigint`, `double`, `boolean`, `timestamp`, `date`
            or `decimal(p,s)`.
        nullable: whether a record may leave the cell empty.
        description: for people; it becomes the column's comment.
    """

    name: str
    spark_type: str
    nullable: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDeclaration:
    """What all fields of a contract class have in common; write one of its subclasses.

    Args:
        nullable: whether a record may leave the cell empty (or hold one of `Meta.null_values`).
        description: for people; it becomes the column's comment.
    """

    nullable: bool = True
    description: str = ""

    @property
    def spark_type(self) -> str:
        """The type in Spark SQL's DDL."""
        raise NotImplementedError(type(self).__name__)

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


class TimestampField(FieldDeclaration):
    """A moment; text without a time zone is read as UTC."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`timestamp`."""
        return "timestamp"


class DateField(FieldDeclaration):
    """A day of the calendar."""

    __slots__ = ()

    @property
    def spark_type(self) -> str:
        """`date`."""
        return "date"


@dataclass(frozen=True, slots=True)
class DecimalField(FieldDeclaration):
    """An exact number, such as an amount of money.

    Args:
        precision: how many digits in all, 1 to 38.
        scale: how many of them stand behind the point, 0 to precision.
        nullable: see `FieldDeclaration`.
        description: see `FieldDeclaration`.
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
