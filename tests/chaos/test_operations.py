"""Plans: the same from the same seed, with everything in them, and as the recount takes them."""

from __future__ import annotations

import random
from collections import Counter

from operations import (
    FOLDER,
    KINDS,
    ODD_NAMES,
    Announce,
    Arm,
    Forget,
    Planner,
    Put,
    describe,
    keys_of,
)
from recount import COLUMNS, recount
from sheets import LINE_ENDS

from alur.contracts import load_contracts
from alur.contracts.routing import Router
from alur.faults import ACTIONS, POINTS


def plan(seed, rounds=30, kinds=KINDS):
    planner = Planner(random.Random(seed), kinds)
    return [operation for _ in range(rounds) for operation in planner.round().operations]


def test_the_same_seed_makes_the_same_operations():
    assert plan(7, 5) == plan(7, 5)
    assert plan(7, 5) != plan(8, 5)


def test_everything_that_may_happen_does():
    operations = plan(1)
    seen = Counter(type(operation).__name__ for operation in operations)
    assert set(seen) == {"Put", "Delete", "Announce", "Forget", "Arm", "Append", "Compact", "Cancel", "Twin", "Pause"}
    what = {
        operation.what.partition(",")[0].partition(":")[0] for operation in operations if isinstance(operation, Put)
    }
    assert what == {"good", "bad"}


def test_what_may_not_happen_does_not():
    operations = plan(1, kinds=("new", "announce"))
    assert {type(operation).__name__ for operation in operations} == {"Put", "Announce", "Pause"}
    keys = [operation.key for operation in operations if isinstance(operation, Put)]
    assert len(keys) == len(set(keys))


def test_the_recount_agrees_with_what_was_written_into_a_file():
    puts = [operation for operation in plan(2) if isinstance(operation, Put)]
    assert len(puts) > 200
    for put in puts:
        counted = recount(put.body)
        if put.sheet is None:
            assert not counted.is_good, put.what
        elif not put.sheet.is_malformed:
            assert (counted.rows, counted.rejects, counted.problem) == (put.rows, put.rejects, None), put.what


def test_every_way_to_write_a_file_is_taken():
    sheets = [operation.sheet for operation in plan(2) if isinstance(operation, Put) and operation.sheet]
    for is_so in (
        lambda sheet: sheet.rejects,
        lambda sheet: any(row[-1] for row in sheet.rows),
        lambda sheet: sheet.is_gzip,
        lambda sheet: sheet.has_mark,
        lambda sheet: sheet.header != COLUMNS,
        lambda sheet: sheet.has_open_quote,
        lambda sheet: sheet.is_malformed and not sheet.has_open_quote,
        lambda sheet: {piece.end for piece in sheet.pieces} >= set(LINE_ENDS),
        lambda sheet: any("\r\n" in piece.text for piece in sheet.pieces),
        lambda sheet: not sheet.pieces,
    ):
        assert 5 < sum(bool(is_so(sheet)) for sheet in sheets) < len(sheets) - 5


def test_what_is_behind_a_quote_that_is_never_closed_has_no_quotes():
    sheets = [operation.sheet for operation in plan(2) if isinstance(operation, Put) and operation.sheet]
    for sheet in sheets:
        text = "".join(piece.text + piece.end for piece in sheet.pieces)
        _, opened, behind = text.partition('"never closed')
        assert bool(opened) is sheet.has_open_quote
        assert '"' not in behind


def test_no_row_is_in_two_files():
    owners: dict[str, str] = {}
    for operation in plan(3):
        if isinstance(operation, Put):
            for row in operation.rows:
                assert owners.setdefault(str(row[0]), operation.key) == operation.key


def test_a_file_has_bytes_that_were_there_before_and_others():
    histories: dict[str, list[str]] = {}
    for operation in plan(4):
        if isinstance(operation, Put):
            histories.setdefault(operation.key, []).append(operation.etag)
    assert any(len(etags) > len(set(etags)) > 1 for etags in histories.values())


def test_what_is_announced_was_put_and_what_is_forgotten_is_announced_again():
    put: set[tuple[str, str]] = set()
    forgotten: set[str] = set()
    for operation in plan(5):
        if isinstance(operation, Put):
            put.add((operation.key, operation.etag))
            forgotten.discard(operation.key)
        elif isinstance(operation, Announce):
            assert {(one.key, one.etag) for one in operation.puts} <= put
            forgotten -= keys_of(operation)
        elif isinstance(operation, Forget):
            forgotten.add(operation.key)
    assert forgotten == set()


def test_faults_are_armed_where_there_are_points_and_kill_no_parent_but_the_jobs():
    faults = [operation for operation in plan(6, 200) if isinstance(operation, Arm)]
    assert {fault.point for fault in faults} == set(POINTS)
    assert {fault.action for fault in faults} == set(ACTIONS)
    assert all(fault.point.startswith("job.") for fault in faults if fault.action == "kill-parent")


def test_every_name_is_one_that_the_contract_takes():
    router = Router(load_contracts(variables={"LandingBucket": "landing"}))
    for name in ODD_NAMES:
        [contract] = router.route("landing", FOLDER + name)
        assert contract.ingestion_key == "orders"


def test_each_operation_can_be_told():
    assert all(describe(operation) for operation in plan(7, 20))
