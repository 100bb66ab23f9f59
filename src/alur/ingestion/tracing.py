"""Which loads a DataFrame descends from, read off its plan.

An attribute of a Python object would be lost at the first `withColumn`. The plan is not: every load marks its key
columns with its id, at the place where they are made, and a DataFrame is traced by following its own key columns down
to those marks. What cannot be followed (an aggregate, rows that were collected and made into a DataFrame again, a key
column that was computed anew) is refused by the name of the call.

The plan is Spark's analyzed one (`queryExecution.analyzed`), looked at through py4j; Spark 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

from alur.errors import UntrackedDataFrame
from alur.ingestion.columns import COLUMN_KEY, KEY_COLUMNS, LOAD_KEY

# Each gives rows that it is given, all or some of them, some perhaps several times, and no others.
_PASS_ON = frozenset(
    {
        "Project",
        "SubqueryAlias",
        "View",
        "Sort",
        "Repartition",
        "RepartitionByExpression",
        "RebalancePartitions",
        "ResolvedHint",
        "UnresolvedHint",
        "CollectMetrics",
        "WithCTE",
        "CTERelationRef",
        "Union",
        "Window",
        "Filter",
        "GlobalLimit",
        "LocalLimit",
        "LimitAndOffset",
        "Offset",
        "Tail",
        "Sample",
        "Distinct",
        "Deduplicate",
        "Generate",
        "Join",
    }
)
_JOINS_FROM_THE_LEFT = frozenset({"Inner", "Cross", "LeftOuter", "LeftSemi", "LeftAnti"})
_JOINS_FROM_THE_RIGHT = frozenset({"Inner", "Cross", "RightOuter"})

# What a user calls the nodes that hide where rows come from.
_CALLS: Mapping[str, str] = {
    "Aggregate": "groupBy or agg",
    "Pivot": "pivot",
    "Expand": "cube or rollup",
    "LogicalRDD": "createDataFrame, checkpoint or an RDD",
    "LocalRelation": "createDataFrame",
    "OneRowRelation": "createDataFrame",
    "MapInPandas": "mapInPandas",
    "MapInArrow": "mapInArrow",
    "FlatMapGroupsInPandas": "applyInPandas",
    "ArrowEvalPython": "a Python UDF",
    "LogicalRelation": "spark.read",
    "DataSourceV2Relation": "spark.table",
    "Intersect": "intersect",
    "Except": "subtract or exceptAll",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a DataFrame's rows come from.

    Attributes:
        load_ids: the loads, each once, in the order of the plan.
        repeats: it has a load's rows by two ways: they may be parts of it, or the same rows twice.
    """

    load_ids: tuple[str, ...]
    repeats: bool


def trace(rows: DataFrame) -> Trace:
    """Find the loads that a DataFrame descends from.

    Args:
        rows: what `load_to_bronze` returned, or what was made of it.

    Raises:
        UntrackedDataFrame: that cannot be established; the error names the call that hides it.
    """
    for name in KEY_COLUMNS:
        if name not in rows.columns:
            raise UntrackedDataFrame(
                "write_table", f"the DataFrame has no {name}: keep that column, it says whose rows these are"
            )
    plan: Any = rows._jdf.queryExecution().analyzed()
    wanted: dict[str, int] = {}
    for attribute in _each(plan.output()):
        if attribute.name() in KEY_COLUMNS:
            if attribute.name() in wanted:
                raise UntrackedDataFrame(
                    "join", f"the DataFrame has two columns {attribute.name()}: drop those of one side"
                )
            wanted[str(attribute.name())] = attribute.exprId().id()
    tracer = _Tracer()
    tracer.follow(plan, wanted)
    return Trace(tuple(tracer.load_ids), tracer.repeats)


@dataclass
class _Tracer:
    load_ids: dict[str, None] = field(default_factory=dict)
    repeats: bool = False
    definitions: dict[int, Any] = field(default_factory=dict)

    def follow(self, node: Any, wanted: Mapping[str, int], found: Mapping[str, str] | None = None) -> None:
        """Go down from a node whose output has the wanted columns; `found` holds the loads of those that are traced."""
        kind = str(node.getClass().getSimpleName())
        traced = dict(found or {})
        if kind == "Project":
            wanted = self._through_project(node, wanted, traced)
        if not wanted:
            self._end(traced)
            return
        if kind not in _PASS_ON:
            raise UntrackedDataFrame(
                _CALLS.get(kind, kind),
                "which files its rows come from cannot be established behind it: write the DataFrame of the load, "
                "with its key columns, and aggregate what read_table returns",
            )
        if kind == "Union":
            self._through_union(node, wanted, traced)
        elif kind == "Join":
            self._through_join(node, wanted, traced)
        elif kind == "WithCTE":
            for definition in _each(node.cteDefs()):
                self.definitions[definition.id()] = definition.child()
            self.follow(node.plan(), wanted, traced)
        elif kind == "CTERelationRef":
            definition = self.definitions[node.cteId()]
            self.follow(definition, _by_position(node, definition, wanted), traced)
        else:
            (child,) = _each(node.children())
            self.follow(child, _passed(node, child, wanted), traced)

    def _through_project(self, node: Any, wanted: Mapping[str, int], traced: dict[str, str]) -> dict[str, int]:
        ids = {identity: name for name, identity in wanted.items()}
        below: dict[str, int] = {}
        for expression in _each(node.projectList()):
            name = ids.get(expression.exprId().id())
            if name is None:
                continue
            if str(expression.getClass().getSimpleName()) != "Alias":
                below[name] = wanted[name]
                continue
            load_id = _mark(expression, name)
            source = None if load_id else _source(expression.child())
            if load_id is not None:
                traced[name] = load_id
            elif source is not None:
                below[name] = source
            else:
                raise UntrackedDataFrame(
                    "withColumn or select",
                    f"{name} was computed anew; it says whose a row is, and stays as it was loaded",
                )
        return below

    def _through_union(self, node: Any, wanted: Mapping[str, int], traced: Mapping[str, str]) -> None:
        for child in _each(node.children()):
            self.follow(child, _by_position(node, child, wanted), traced)

    def _through_join(self, node: Any, wanted: Mapping[str, int], traced: Mapping[str, str]) -> None:
        left, right = node.left(), node.right()
        kind = str(node.joinType().toString())
        sides = [
            (left, right, kind in _JOINS_FROM_THE_LEFT),
            (right, left, kind in _JOINS_FROM_THE_RIGHT),
        ]
        for side, other, keeps_keys in sides:
            if {wanted[name] for name in wanted} <= _ids(side):
                if not keeps_keys:
                    raise UntrackedDataFrame(
                        "join", f"a {kind} join leaves rows without the load's key columns: join the other way round"
                    )
                if kind not in ("LeftSemi", "LeftAnti") and _has_marks(other):
                    raise UntrackedDataFrame(
                        "join", "both sides are loads, and only one side's rows can be written: write each by itself"
                    )
                self.follow(side, wanted, traced)
                return
        raise UntrackedDataFrame("join", "the key columns come from both sides: take all three from one of them")

    def _end(self, traced: Mapping[str, str]) -> None:
        loads = {traced[name] for name in KEY_COLUMNS}
        if len(loads) != 1:
            raise UntrackedDataFrame("select", "its key columns come from different loads: take all three from one")
        (load_id,) = loads
        self.repeats = self.repeats or load_id in self.load_ids
        self.load_ids[load_id] = None


def _mark(alias: Any, name: str) -> str | None:
    metadata = alias.metadata()
    if not metadata.contains(LOAD_KEY):
        return None
    if str(metadata.getString(COLUMN_KEY)) != name:
        raise UntrackedDataFrame("alias", f"{name} is another column of the load under a new name: leave it as it was")
    # An alias of a marked column inherits its metadata; the mark itself is given.
    return None if alias.explicitMetadata().isEmpty() else str(metadata.getString(LOAD_KEY))


def _source(expression: Any) -> int | None:
    """Return the attribute whose very value an expression has; None: it computes one."""
    kind = str(expression.getClass().getSimpleName())
    if kind == "AttributeReference":
        identity: int = expression.exprId().id()
        return identity
    if kind == "Cast" and expression.dataType().sameType(expression.child().dataType()):
        return _source(expression.child())
    if kind == "Coalesce":
        # Whatever stands behind a key column is never taken, for it is never null: fillna makes this.
        return _source(expression.children().head())
    return None


def _passed(node: Any, child: Any, wanted: Mapping[str, int]) -> Mapping[str, int]:
    return wanted if set(wanted.values()) <= _ids(child) else _by_position(node, child, wanted)


def _by_position(node: Any, child: Any, wanted: Mapping[str, int]) -> dict[str, int]:
    above = [attribute.exprId().id() for attribute in _each(node.output())]
    below = [attribute.exprId().id() for attribute in _each(child.output())]
    return {name: below[above.index(identity)] for name, identity in wanted.items()}


def _ids(node: Any) -> set[int]:
    return {attribute.exprId().id() for attribute in _each(node.output())}


def _has_marks(node: Any) -> bool:
    if str(node.getClass().getSimpleName()) == "Project":
        for expression in _each(node.projectList()):
            if expression.metadata().contains(LOAD_KEY):
                return True
    return any(_has_marks(child) for child in _each(node.children()))


def _each(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()
