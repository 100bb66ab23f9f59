"""`BronzeTable`: the class that a user's tables derive from.

A class that has a `Meta.source_path`, its own or an inherited one, is a table; every other is an abstract base, which
hands its fields and its Meta on. Both are checked when Python makes the class, so that a mistake shows where it stands.

Fields and Meta are collected over the base classes, the farthest first: a subclass adds columns behind the inherited
ones, a field that it declares again keeps its place, and of Meta it writes only what differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import FunctionType
from typing import Any, ClassVar, TypeVar

from alur.contracts.contract import VARIABLE, Contract, OnOverwrite, Trigger, fingerprint_of
from alur.contracts.dialect import DIALECT_DEFAULTS, Dialect, dialect_of
from alur.contracts.fields import Field, FieldDeclaration
from alur.contracts.globs import compile_glob
from alur.contracts.partitions import parse_partitions
from alur.errors import ContractError

_Choice = TypeVar("_Choice", bound=StrEnum)

CLASS_SUFFIX = "Bronze"
"""How the name of every table's class ends."""

REJECTS_SUFFIX = "__rejects"
"""How the name of the table ends that takes what could not be stored; no ingestion key may."""

_META_DEFAULTS: Mapping[str, Any] = {
    "source_path": (),
    "source_system": "",
    "partition_by": (),
    "description": "",
    "on_overwrite": OnOverwrite.REPLACE.value,
    "trigger": Trigger.EVENT.value,
    "null_values": (),
    **DIALECT_DEFAULTS,
}

_COLUMN_NAME = re.compile(r"[a-z0-9_]{1,255}")
# Glue and Iceberg take 255 letters; the table of the rejects needs some for its suffix.
_INGESTION_KEY = re.compile(r"[a-z0-9_]{1,200}")
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What may stand in the body of a class beside its fields: behaviour, which is nobody's column.
_BEHAVIOUR = (FunctionType, classmethod, staticmethod, property)


class BronzeTable:
    """A bronze table: its columns are the class's fields, and `Meta` says which files belong to it.

        class OrdersBronze(BronzeTable):
            order_id = LongField(nullable=False)
            amount = DecimalField(12, 2)

            class Meta:
                source_path = "s3://${LandingBucket}/orders/**/*.csv"
                source_system = "sales_db"

    `Meta` takes:

    - `source_path`: a glob, or a list of them (`alur.contracts.globs`);
    - `source_system`: where the files come from;
    - `partition_by`: a list of fields or transforms, as `["days(created_at)", "bucket(16, customer_id)"]`;
    - `description`: for people;
    - `on_overwrite`: `"replace"` (default), `"append"` or `"skip"`: what another version of a file does;
    - `trigger`: `"event"` (default): files are ingested when they land; `"run"`: only by `alur run`;
    - `null_values`: a list of texts that mean null, beside the empty cell.

    How the files are written (`alur.contracts.dialect.Dialect` says it in full):

    - `delimiter` (`","`), `quote` (`'"'`, or None), `escape` (None): how the cells are told apart;
    - `encoding` (`"utf-8"`): or `"utf-16"`, `"utf-16-le"`, `"utf-16-be"`, `"latin-1"`, `"windows-1252"`;
    - `header` (True): whether the first record names the columns;
    - `header_case` (`"insensitive"`, or `"sensitive"`): whether the letters' case counts in the names;
    - `extra_columns` (`"rescue"`, `"ignore"` or `"refuse"`): what becomes of columns that the class does not have;
    - `skip_lines` (0), `comment` (None): lines before the header, and the character that begins a line of comment;
    - `multiline` (None): whether quoted cells hold line ends; None: it is found out;
    - `trim` (False): whether blanks around text are taken off;
    - `decimal` (`"."`), `thousands` (None): how numbers are written;
    - `max_bad_rows` (None), `max_bad_fraction` (None): how many records a file may lose before it fails;
    - `max_record_mb` (16), `max_uncompressed_mb` (4096): how long a record, and how large a file may be;
    - `compression` (`"auto"`): or `"none"`, `"gzip"`, `"bzip2"`, `"zstd"`.

    Raises:
        ContractError: when the class is made, if a declaration breaks a rule.
    """

    __alur_contract__: ClassVar[Contract | None] = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.__alur_contract__ = _contract_of_class(cls)

    @classmethod
    def contract(cls) -> Contract:
        """Return what the class declares, the variables of its globs not replaced.

        Raises:
            ContractError: the class is an abstract base.
        """
        return contract_of(cls)


def contract_of(table: type[BronzeTable]) -> Contract:
    """Return what a contract class declares; unlike `table.contract()`, also where a column is called `contract`.

    Args:
        table: the class.

    Raises:
        ContractError: the class is an abstract base.
    """
    if table.__alur_contract__ is None:
        raise ContractError(table.__name__, "an abstract base; a table has a Meta.source_path")
    return table.__alur_contract__


def ingestion_key_of(class_name: str) -> str:
    """Return the ingestion key of a class: `OrdersBronze` is `orders`, `OrderItemsBronze` is `order_items`.

    Args:
        class_name: the class's name.

    Raises:
        ContractError: the name does not end in Bronze, or what stands before makes no table's name.
    """
    stem = class_name.removesuffix(CLASS_SUFFIX)
    if stem == class_name:
        raise ContractError(class_name, f"the name of a table's class ends in {CLASS_SUFFIX}: {stem}{CLASS_SUFFIX}")
    key = _WORD_BOUNDARY.sub("_", stem).lower()
    if not _INGESTION_KEY.fullmatch(key):
        raise ContractError(
            class_name, f"{key!r} is no table's name; use ASCII letters, digits and _, 1 to 200 before {CLASS_SUFFIX}"
        )
    if key.endswith(REJECTS_SUFFIX):
        raise ContractError(class_name, f"names that end in {REJECTS_SUFFIX} are taken by the rejects; choose another")
    return key


def _contract_of_class(cls: type[BronzeTable]) -> Contract | None:
    """Check the class and return its contract, or None for an abstract base."""
    name = cls.__name__
    fields = _fields(cls)
    meta = _meta(cls)
    source_paths = _texts(name, "source_path", meta["source_path"], one_alone=True)
    source_system = _text(name, "source_system", meta["source_system"])
    description = _text(name, "description", meta["description"])
    null_values = _texts(name, "null_values", meta["null_values"])
    on_overwrite = _one_of(name, "on_overwrite", OnOverwrite, meta["on_overwrite"])
    trigger = _one_of(name, "trigger", Trigger, meta["trigger"])
    partition_texts = _texts(name, "partition_by", meta["partition_by"])
    dialect = dialect_of(name, meta)
    _check_source_names(name, fields, dialect)
    if "" in null_values:
        raise ContractError(name, "Meta.null_values holds the empty text; the empty cell is null already, leave it out")
    for glob in source_paths:
        _check_glob(name, glob)
    if not source_paths:
        return None
    ingestion_key = ingestion_key_of(name)
    if not fields:
        raise ContractError(name, "it has no fields; declare one for each column, as order_id = LongField()")
    if not source_system:
        raise ContractError(name, 'Meta.source_system is missing; say where the files come from, as "sales_db"')
    return Contract(
        ingestion_key=ingestion_key,
        class_name=name,
        fields=fields,
        source_paths=source_paths,
        source_system=source_system,
        on_overwrite=on_overwrite,
        trigger=trigger,
        null_values=null_values,
        partition_by=parse_partitions(name, partition_texts, {field.name: field.spark_type for field in fields}),
        description=description,
        fingerprint=fingerprint_of(fields, null_values, dialect),
        dialect=dialect,
    )


def _fields(cls: type[BronzeTable]) -> tuple[Field, ...]:
    # vars() over the reversed MRO keeps the order of declaration; inspect.getmembers would sort the columns by name.
    declarations: dict[str, FieldDeclaration] = {}
    for owner in reversed(cls.__mro__):
        if owner in (object, BronzeTable):
            continue
        for name, value in vars(owner).items():
            if isinstance(value, FieldDeclaration):
                _check_field(cls.__name__, name, value)
                declarations[name] = value
            elif name in declarations:
                raise ContractError(
                    cls.__name__, f"{name} = {value!r} hides an inherited field; declare a field, or use another base"
                )
            else:
                _check_other(cls.__name__, name, value)
        _check_annotations(cls.__name__, owner)
    return tuple(declaration.as_field(name) for name, declaration in declarations.items())


def _check_field(contract: str, name: str, declaration: FieldDeclaration) -> None:
    if name.startswith("_"):
        raise ContractError(contract, f"field {name}: names that begin with _ are Alur's own columns; choose another")
    if not _COLUMN_NAME.fullmatch(name):
        raise ContractError(contract, f"field {name}: use the letters a-z, digits and _ only, as {_suggest(name)}")
    problem = declaration.problem()
    if problem is not None:
        raise ContractError(contract, f"field {name}: {problem}")


def _check_source_names(contract: str, fields: Sequence[Field], dialect: Dialect) -> None:
    """Refuse two fields that one column of a file would have to fill."""
    if not dialect.header:
        return
    taken: dict[str, str] = {}
    for field in fields:
        key = field.source_name if dialect.header_case == "sensitive" else field.source_name.lower()
        earlier = taken.setdefault(key, field.name)
        if earlier != field.name:
            raise ContractError(
                contract,
                f"field {field.name}: its name in the header, {field.source_name!r}, is that of {earlier} too; "
                "give one of them another source_name",
            )


def _suggest(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", _WORD_BOUNDARY.sub("_", name).lower()).strip("_") or "order_id"


def _check_other(contract: str, name: str, value: object) -> None:
    """Refuse what looks like a field and is none, because its column would be missing without a word."""
    if isinstance(value, type) and issubclass(value, FieldDeclaration):
        raise ContractError(contract, f"field {name}: write {value.__name__}(), with brackets")
    if name == "Meta" or name.startswith("_") or isinstance(value, _BEHAVIOUR):
        return
    if isinstance(value, tuple) and any(isinstance(part, FieldDeclaration) for part in value):
        raise ContractError(contract, f"field {name}: a comma after the field makes a tuple of it; remove the comma")
    raise ContractError(
        contract, f"{name} = {value!r} is no field; declare one, as {name} = StringField(), or begin the name with _"
    )


def _check_annotations(contract: str, owner: type) -> None:
    for name in vars(owner).get("__annotations__", {}):
        if name not in vars(owner) and not name.startswith("_"):
            raise ContractError(contract, f"field {name}: annotated and not assigned; write {name} = StringField()")


def _meta(cls: type[BronzeTable]) -> dict[str, Any]:
    collected: dict[str, Any] = dict(_META_DEFAULTS)
    for owner in reversed(cls.__mro__):
        meta = vars(owner).get("Meta")
        if meta is None:
            continue
        if not isinstance(meta, type):
            raise ContractError(cls.__name__, f"Meta is {meta!r}; write class Meta:")
        for meta_owner in reversed(meta.__mro__):
            for name, value in vars(meta_owner).items():
                if name.startswith("__") and name.endswith("__"):
                    continue
                if name not in _META_DEFAULTS:
                    raise ContractError(cls.__name__, _unknown(name))
                collected[name] = value
    return collected


def _unknown(name: str) -> str:
    # Imported here: it costs a cold start some milliseconds, and only a mistake needs it.
    from difflib import get_close_matches

    nearest = get_close_matches(name, _META_DEFAULTS, n=1, cutoff=0.0)[0]
    return f"Meta.{name} is unknown; did you mean {nearest}? Known: {', '.join(sorted(_META_DEFAULTS))}"


def _text(contract: str, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ContractError(contract, f"Meta.{name} is {value!r}; write a text")
    return value.strip()


def _texts(contract: str, name: str, value: object, *, one_alone: bool = False) -> tuple[str, ...]:
    if isinstance(value, str) and one_alone:
        value = (value,)
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise ContractError(contract, f"Meta.{name} is {value!r}; write a list of texts")
    texts = tuple(value)
    if len(set(texts)) != len(texts):
        raise ContractError(contract, f"Meta.{name} holds the same text twice; keep one of each")
    return texts


def _one_of(contract: str, name: str, choices: type[_Choice], value: object) -> _Choice:
    try:
        return choices(str(value))
    except ValueError:
        raise ContractError(contract, f"Meta.{name} is {value!r}; write one of {', '.join(choices)}") from None


def _check_glob(contract: str, glob: str) -> None:
    # A variable's value is a name, so that any name will do to check the glob around it.
    sample = VARIABLE.sub("value", glob)
    if "${" in sample:
        raise ContractError(
            contract, f"Meta.source_path {glob}: a variable is written ${{LandingBucket}}, letters only"
        )
    try:
        compile_glob(sample)
    except ContractError as error:
        raise ContractError(contract, f"Meta.source_path {glob}: {error.rule}") from None
