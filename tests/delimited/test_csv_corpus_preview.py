"""Every peculiarity of delimited files, through the preview: it tells beforehand what the job would do."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from alur.delimited.preview import Preview, preview_file
from csv_support import Case, Outcome, as_text, cases, check, contract_without_tables, corpus_contracts, declared


def previewed(case: Case, chunks: Iterable[bytes]) -> Preview:
    """What is said of a file of the corpus, all of its rows shown."""
    said = corpus_contracts()[case.contract]
    contract = contract_without_tables(declared(said["fields"]), **said["meta"])
    return preview_file(f"s3://landing/{case.file}", chunks, contract, rows=1_000)


def outcome_of(preview: Preview) -> Outcome:
    """What the file would come to; of one that would fail the rows before the failure mean nothing."""
    if preview.error is not None:
        return Outcome(error=(type(preview.error).__name__, str(preview.error)))
    rows = [
        (*map(as_text, row.values), None if row.rescued is None else json.loads(row.rescued)) for row in preview.shown
    ]
    return Outcome(rows, [(one.line, one.column, one.reason, one.record) for one in preview.rejects])


@pytest.mark.parametrize("case", [pytest.param(case, id=case.file) for case in cases()])
def test_a_preview_of_a_file_of_the_corpus_says_what_stands_beside_it(case: Case):
    preview = previewed(case, [case.content])
    outcome = outcome_of(preview)
    check(case, outcome)
    if preview.error is None:
        assert preview.record_count == case.records
        assert preview.row_count == len(outcome.rows)
        assert preview.reject_count == len(outcome.rejects)
        assert preview.rescued_rows == sum(row[-1] is not None for row in outcome.rows)


# Byte after byte takes long for the largest ones.
@pytest.mark.parametrize("case", [pytest.param(case, id=case.file) for case in cases() if len(case.content) < 10_000])
def test_a_file_of_the_corpus_means_the_same_in_pieces_of_a_byte(case: Case):
    pieces = [case.content[place : place + 1] for place in range(len(case.content))]
    assert outcome_of(previewed(case, pieces)) == outcome_of(previewed(case, [case.content]))
