"""The report: what was expected, what was seen, and what it has cost."""

from __future__ import annotations

from typing import Any

from smoke.bench import Outcome
from smoke.looks import RunCost
from smoke.report import Done, Report


def report(*steps: Done, **said: Any) -> Report:
    return Report(
        **{"smoke_id": "s1", "environment": "dev", "is_local": False, "costs": (), "left": (), **said}, steps=steps
    )


def done(title: str, seen: str = "as it was", is_as_expected: bool = True, **more: Any) -> Done:
    return Done(title, "what is to be", Outcome(seen, is_as_expected, **more), 12.4)


def cost(run_id: str, vcpu: float | None = 0.1, memory: float | None = 0.4) -> RunCost:
    return RunCost(run_id, "alur-dev-ingest_orders", "SUCCESS", 90.0, vcpu, memory)


def test_each_step_is_a_line_of_what_was_expected_and_what_was_seen():
    text = report(done("deploy"), done("Test 1", "a|b\nc")).render()
    assert "| deploy | what is to be | as it was | as expected | 12 |" in text
    assert r"| Test 1 | what is to be | a\|b c | as expected | 12 |" in text
    assert "Everything was as expected." in text


def test_one_step_that_is_not_as_expected_is_the_verdict():
    told = report(done("deploy"), done("Test 1", "nothing", is_as_expected=False), done("clean-up"))
    assert not told.is_as_expected
    assert "Not as expected: Test 1." in told.render()
    assert "| nothing | **NOT AS EXPECTED** |" in told.render()


def test_what_was_left_out_is_not_said_to_be_as_expected():
    told = report(done("destroy", "it was to be kept", is_skipped=True))
    assert told.is_as_expected
    assert "| it was to be kept | skipped |" in told.render()


def test_runs_and_what_is_billed_for_them_are_added_up():
    text = report(done("deploy"), costs=(cost("r1"), cost("r2"))).render()
    assert "2 runs of EMR Serverless, 3.0 minutes" in text
    assert "| r1 | alur-dev-ingest_orders | SUCCESS | 90 | 0.100 | 0.400 |" in text
    assert "Billed: 0.200 vCPU hours and 0.800 GB hours; by the prices of us-east-1 some US$ 0.015." in text


def test_what_nobody_bills_is_not_said_to_cost_nothing():
    text = report(done("deploy"), costs=(cost("r1", None, None),)).render()
    assert "US$" not in text
    assert "nobody says" in text
    assert "of 1 runs it is not known yet" in report(costs=(cost("r1"), cost("r2", None, None))).render()


def test_a_report_of_the_local_stack_says_so_first():
    head = report(done("Test 1"), is_local=True).render().split("| step |")[0]
    assert "local stack" in head
    assert "It says nothing about IAM" in head


def test_what_is_left_is_listed():
    assert "## What is left\n\n- the environment dev" in report(left=("the environment dev",)).render()
    assert "What is left" not in report().render()
