"""What must hold at rest, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from expectation import (
    FileFacts,
    TableReject,
    TableRow,
    Version,
    file_differences,
    foreign_differences,
    holding,
    snapshot_differences,
)

PATH = "s3://landing/orders/a.csv"


def version(etag: str, *ids: int) -> Version:
    return Version(etag, 100 + len(ids), tuple((str(number),) for number in ids))


def bad(etag: str) -> Version:
    return Version(etag, 7, (), "its header is wrong")


V1, V2, V3 = version("v1", 1, 2), version("v2", 2, 3, 4), version("v3", 5)
EMPTY, BAD = version("empty"), bad("bad")
D1 = replace(version("d1", 1, 2), rejects=((3, "word,1"), (5, "word,1")))
D2 = replace(version("d2", 2), rejects=((2, "word,2"),))


def rows(of: Version, batch_id: str = "b1") -> tuple[TableRow, ...]:
    return tuple(TableRow(row, PATH, of.etag, batch_id) for row in of.rows)


def rejects(of: Version, batch_id: str = "b1", attempt: str = "n1") -> tuple[TableReject, ...]:
    return tuple(TableReject(reject, PATH, of.etag, batch_id, attempt) for reject in of.rejects)


def completed(of: Version, batch_id: str = "b1", **more: Any) -> dict[str, Any]:
    return {
        "file_path": PATH,
        "status": "completed",
        "file_etag": of.etag,
        "file_size": of.size_bytes,
        "rows_ingested": len(of.rows),
        "rows_rejected": len(of.rejects),
        "batch_id": batch_id,
        **more,
    }


def failed(of: Version, **more: Any) -> dict[str, Any]:
    return {
        "file_path": PATH,
        "status": "failed",
        "file_etag": of.etag,
        "file_size": of.size_bytes,
        "batch_id": "b9",
        "error_type": "HeaderMismatch",
        "error_message": "missing order_id",
        **more,
    }


def previous(of: Version) -> dict[str, Any]:
    return {"file_etag": of.etag, "batch_id": "b1", "rows_ingested": len(of.rows), "snapshot_id": "1"}


def facts(**known: Any) -> FileFacts:
    return FileFacts(PATH, **{"current": None, "held": None, "since": (), "item": None, "rows": (), **known})


RIGHT = {
    "a new good file": facts(current=V1, since=(V1,), item=completed(V1), rows=rows(V1)),
    "a good file of before, untouched": facts(current=V1, held=V1, item=completed(V1), rows=rows(V1)),
    "an overwritten file": facts(current=V2, held=V1, since=(V2,), item=completed(V2), rows=rows(V2)),
    "a file that went back to its earlier bytes": facts(
        current=V1, held=V1, since=(V2, V1), item=completed(V1), rows=rows(V1, "b1")
    ),
    "a header alone": facts(current=EMPTY, since=(EMPTY,), item=completed(EMPTY)),
    "a header alone in place of rows": facts(current=EMPTY, held=V1, since=(EMPTY,), item=completed(EMPTY)),
    "a new bad file": facts(current=BAD, since=(BAD,), item=failed(BAD)),
    "a bad file over a good one": facts(
        current=BAD, held=V1, since=(BAD,), item=failed(BAD, previous=previous(V1)), rows=rows(V1)
    ),
    "a bad file over a good one that nobody came to": facts(
        current=BAD, held=V1, since=(V2, BAD), item=failed(BAD, previous=previous(V1)), rows=rows(V1)
    ),
    "a bad file over a good one that was ingested in between": facts(
        current=BAD, held=V1, since=(V2, BAD), item=failed(BAD, previous=previous(V2)), rows=rows(V2)
    ),
    "a bad file over a header alone": facts(
        current=BAD, held=V1, since=(EMPTY, BAD), item=failed(BAD, previous=previous(EMPTY))
    ),
    "a bad file over a good one whose item was deleted": facts(
        current=BAD, held=V1, since=(BAD,), item=failed(BAD), rows=rows(V1)
    ),
    "an object that went after its rows came": facts(held=V1, item=completed(V1), rows=rows(V1)),
    "an object that came and went unread": facts(since=(V1,), item=failed(V1, error_type="FileVanished")),
    "an object that came, was read, and went": facts(since=(V1,), item=completed(V1), rows=rows(V1)),
    "an overwritten object that went before the second version was read": facts(
        held=V1, since=(V2,), item=failed(V2, previous=previous(V1)), rows=rows(V1)
    ),
    "a forgotten object that nobody named since": facts(current=V1, held=V1, rows=rows(V1), is_forgotten=True),
    "a forgotten object whose event was on its way": facts(
        current=V1, held=V1, item=completed(V1, "b2"), rows=rows(V1, "b2"), is_forgotten=True
    ),
    "a forgotten object that is gone": facts(held=V1, rows=rows(V1), is_forgotten=True),
}

RIGHT |= {
    "a good file over which more runs died than it is tried": facts(
        current=V1, since=(V1,), item=failed(V1, error_type="KilledRun"), may_be_exhausted=True
    ),
    "the same over an earlier version": facts(
        current=V2,
        held=V1,
        since=(V2,),
        item=failed(V2, error_type="RunsFailed", previous=previous(V1)),
        rows=rows(V1),
        may_be_exhausted=True,
    ),
    "a good file that was ingested although so many died": facts(
        current=V1, since=(V1,), item=completed(V1), rows=rows(V1), may_be_exhausted=True
    ),
}

DIRTY = facts(current=D1, since=(D1,), item=completed(D1), rows=rows(D1), rejects=rejects(D1), attempt="n1")
REPLACED = facts(current=D2, held=D1, since=(D2,), item=completed(D2), rows=rows(D2), rejects=rejects(D2), attempt="n1")
LEFT = facts(
    current=BAD,
    held=D1,
    since=(D2, BAD),
    item=failed(BAD, previous=previous(D1)),
    rows=rows(D1),
    rejects=(*rejects(D1), *rejects(D2, "b2", "n7")),
    attempt="n1",
)

RIGHT |= {
    "rejects beside rows": DIRTY,
    "rejects of a version that took another one's place": REPLACED,
    "rejects of an attempt that died, of a file that failed": LEFT,
    "the same of earlier rounds": replace(LEFT, since=(BAD,)),
    "rejects of an attempt that died, and no rows": facts(
        current=BAD, since=(D2, BAD), item=failed(BAD), rejects=rejects(D2, "b2", "n7")
    ),
}

WRONG = {
    "rejects lost": (replace(DIRTY, rejects=()), "2 rejects of d1 are missing: line 3, line 5"),
    "a reject too few": (replace(DIRTY, rejects=rejects(D1)[1:]), "1 rejects of d1 are missing: line 3"),
    "a reject twice": (replace(DIRTY, rejects=(*rejects(D1), rejects(D1)[0])), "too many or other: line 3"),
    "a reject of another line": (
        replace(DIRTY, rejects=(rejects(D1)[0], TableReject((6, "word,1"), PATH, "d1", "b1", "n1"))),
        "too many or other: line 6",
    ),
    "rejects of another attempt than the rows": (
        replace(DIRTY, rejects=rejects(D1, attempt="n2")),
        "2 rejects of d1 are missing",
    ),
    "rejects of two attempts": (
        replace(DIRTY, rejects=(*rejects(D1), *rejects(D1, attempt="n2"))),
        "attempt n2, which goes with no rows",
    ),
    "rejects of the version before": (
        replace(REPLACED, rejects=(*rejects(D2), *rejects(D1))),
        "2 rejects of version d1 by b1, attempt n1, which goes with no rows",
    ),
    "a number of rejects that is wrong": (
        replace(DIRTY, item=completed(D1, rows_rejected=1)),
        "rows_rejected is 1, and 2 were written",
    ),
    "a part of the rejects of an attempt that died": (
        replace(LEFT, since=(D1, BAD), rejects=(*rejects(D1), *rejects(D1, "b2", "n7")[1:])),
        "not the 2 that were written",
    ),
    "rejects of a clean file": (
        facts(current=V1, since=(V1,), item=completed(V1), rows=rows(V1), rejects=rejects(D1)),
        "which goes with no rows",
    ),
    "a good file of which runs died, though too few": (
        facts(current=V1, since=(V1,), item=failed(V1, error_type="KilledRun")),
        "a good file of 2 rows",
    ),
    "a good file that failed of something else, though so many died": (
        facts(current=V1, since=(V1,), item=failed(V1), may_be_exhausted=True),
        "a good file of 2 rows",
    ),
    "an exhausted file that took the rows of before along": (
        facts(current=V2, held=V1, since=(), item=failed(V2, error_type="KilledRun"), may_be_exhausted=True),
        "should hold the 2 rows of v1",
    ),
    "no item": (facts(current=V1, since=(V1,), rows=rows(V1)), "no item"),
    "still processing": (facts(current=V1, since=(V1,), item={"status": "processing"}), "processing"),
    "something waits": (
        facts(current=V1, held=V1, item=completed(V1, waiting={"file_etag": "v2"}), rows=rows(V1)),
        "waiting",
    ),
    "a try is due": (facts(current=BAD, since=(BAD,), item=failed(BAD, next_try_at="soon")), "next_try_at"),
    "a good file that failed": (facts(current=V1, since=(V1,), item=failed(V1)), "a good file of 2 rows"),
    "a bad file that is completed": (facts(current=BAD, since=(BAD,), item=completed(BAD)), "no good file"),
    "a failure without a reason": (facts(current=BAD, since=(BAD,), item=failed(BAD, error_message="")), "reason"),
    "the version before": (
        facts(current=V2, held=V1, since=(V2,), item=completed(V1), rows=rows(V1)),
        "the ledger has version v1",
    ),
    "another size": (
        facts(current=V1, since=(V1,), item=completed(V1, file_size=3), rows=rows(V1)),
        "file_size is 3",
    ),
    "a wrong count": (
        facts(current=V1, since=(V1,), item=completed(V1, rows_ingested=4), rows=rows(V1)),
        "rows_ingested is 4",
    ),
    "rows of the version before": (
        facts(current=V2, held=V1, since=(V2,), item=completed(V2), rows=rows(V1)),
        "2 rows of version v1",
    ),
    "rows of both versions": (
        facts(current=V2, held=V1, since=(V2,), item=completed(V2), rows=(*rows(V1), *rows(V2))),
        "several versions",
    ),
    "rows of two batches": (
        facts(current=V1, since=(V1,), item=completed(V1), rows=(*rows(V1), *rows(V1, "b2"))),
        "several versions or batches",
    ),
    "a row twice": (
        facts(current=V1, since=(V1,), item=completed(V1), rows=(*rows(V1), rows(V1)[0])),
        "1 rows of v1 are too many or other: 1",
    ),
    "a row too few": (
        facts(current=V1, since=(V1,), item=completed(V1), rows=rows(V1)[:1]),
        "1 rows of v1 are missing: 2",
    ),
    "another value": (
        facts(current=V1, since=(V1,), item=completed(V1), rows=(rows(V1)[0], TableRow(("9",), PATH, "v1", "b1"))),
        "missing: 2",
    ),
    "no rows of a good file": (facts(current=V1, since=(V1,), item=completed(V1)), "holds nothing of it"),
    "rows of a bad file": (
        facts(current=BAD, since=(BAD,), item=failed(BAD), rows=(TableRow(("1",), PATH, "bad", "b1"),)),
        "1 rows of version bad",
    ),
    "rows lost under a bad file": (
        facts(current=BAD, held=V1, since=(BAD,), item=failed(BAD, previous=previous(V1))),
        "should hold the 2 rows of v1",
    ),
    "a part of what was there before": (
        facts(current=BAD, held=V1, since=(BAD,), item=failed(BAD), rows=rows(V1)[1:]),
        "1 rows of v1 are missing",
    ),
    "rows that `previous` knows nothing of": (
        facts(current=BAD, held=V1, since=(V2, BAD), item=failed(BAD, previous=previous(V1)), rows=rows(V2)),
        "`previous` says",
    ),
    "rows of a version long gone": (
        facts(current=BAD, held=V2, since=(BAD,), item=failed(BAD), rows=rows(V1)),
        "2 rows of version v1",
    ),
    "rows of a gone object lost": (facts(held=V1, item=completed(V1)), "should hold the 2 rows of v1"),
    "a gone object, completed with rows that the table lacks": (
        facts(since=(V1,), held=None, item=completed(V1)),
        "rows_ingested is 2, the table holds 0",
    ),
    "a completed item of one version beside rows of another": (
        facts(held=V1, since=(V2,), item=completed(V2), rows=rows(V1)),
        "rows_ingested is 3, the table holds 2",
    ),
    "rows by another batch than the item's": (
        facts(current=V1, held=V1, item=completed(V1, "b2"), rows=rows(V1, "b1")),
        "the item is of batch b2",
    ),
    "a completed item that still has an error": (
        facts(current=V1, held=V1, item=completed(V1, error_type="X"), rows=rows(V1)),
        "previous, or an error",
    ),
    "rows of a path that nobody ever put": (facts(rows=rows(V1)), "should hold nothing"),
    "a forgotten object whose rows are doubled": (
        facts(current=V1, held=V1, rows=(*rows(V1), *rows(V1)), is_forgotten=True),
        "2 rows of v1 are too many",
    ),
}


@pytest.mark.parametrize("known", RIGHT.values(), ids=RIGHT.keys())
def test_this_is_right(known):
    assert file_differences(known) == []


@pytest.mark.parametrize(("known", "said"), WRONG.values(), ids=WRONG.keys())
def test_this_is_wrong(known, said):
    found = file_differences(known)
    assert any(said in difference for difference in found), found


def test_what_is_held_is_what_the_rows_say():
    assert holding(RIGHT["an overwritten file"]) == V2
    assert holding(RIGHT["a bad file over a good one"]) == V1
    assert holding(RIGHT["a header alone in place of rows"]) is None


def test_foreign_rows_are_there_once():
    mine, others = rows(V1, "foreign-1"), rows(V3, "foreign-2")
    assert foreign_differences([*mine, *others], [*V1.rows, *V3.rows], []) == []
    assert foreign_differences(mine, [*V1.rows, *V3.rows], []) == ["1 foreign rows are lost: 5"]
    assert foreign_differences([*mine, *mine], V1.rows, []) == ["2 foreign rows are too many: 1, 2"]


def test_foreign_rows_whose_append_failed_may_be_there_or_not():
    assert foreign_differences(rows(V1, "foreign-1"), [], V1.rows) == []
    assert foreign_differences([], [], V1.rows) == []
    assert foreign_differences([*rows(V1), *rows(V1)], [], V1.rows) != []


def test_a_snapshot_has_one_whole_version_of_each_path():
    versions = {PATH: {of.etag: of for of in (V1, V2, EMPTY, BAD)}}
    assert snapshot_differences("7", [(PATH, "v1", "b1", 2)], versions) == []
    assert snapshot_differences("7", [], versions) == []
    for groups, said in (
        ([(PATH, "v1", "b1", 1)], "has 1 rows"),
        ([(PATH, "v1", "b1", 2), (PATH, "v2", "b2", 3)], "2 versions or batches"),
        ([(PATH, "v9", "b1", 2)], "nobody put"),
        ([(PATH, "bad", "b1", 2)], "no good file"),
        ([("s3://landing/other", "v1", "b1", 2)], "nobody put"),
    ):
        assert any(said in difference for difference in snapshot_differences("7", groups, versions))
