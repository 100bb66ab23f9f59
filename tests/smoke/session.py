"""A smoke test from its first step to its report; what it has made is cleaned up in any case."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alur.errors import AlurError
from smoke.bench import Bench, Outcome
from smoke.looks import RunCost
from smoke.report import Done, Report
from smoke.steps import Step, StepFailed, clean_up, destroy


@dataclass(slots=True)
class Session:
    """One smoke test.

    Attributes:
        bench: what its steps have in their hands.
        may_destroy: says whether what was deployed is destroyed: asked once, told whether all was as expected.
        done: the steps so far.
    """

    bench: Bench
    may_destroy: Callable[[bool], bool]
    done: list[Done] = field(default_factory=list)

    def run(self, steps: Sequence[Step]) -> Report:
        """Do the steps until one is not as expected; then clean up, and destroy what was deployed, if that may be.

        Args:
            steps: in their order.
        """
        bench, began = self.bench, self.bench.clock()
        costs: list[RunCost] = []
        left: list[str] = []
        try:
            for step in steps:
                if not self._do(step):
                    break
        finally:
            # Ctrl-C too: what was made is not left behind without a word.
            if bench.has_uploaded:
                costs = _quietly(lambda: bench.looks.costs_since(began), [])
                self._do(Step("clean-up", "no object of this test is left", clean_up))
            left = self._end()
        return Report(bench.smoke_id, bench.environment, bench.is_local, tuple(self.done), costs, left)

    def _end(self) -> list[str]:
        """Destroy what was deployed, and return what is left."""
        bench = self.bench
        rows = f"{sum(bench.rows.values()):,} rows of {len(bench.rows)} files below {bench.key_prefix}"
        if not bench.has_deployed or self._is_gone():
            return [f"{rows} in the table `orders`, and their entries in the ledger"] if bench.rows else []
        title = "`alur local down`, in place of a destroy" if bench.is_local else "destroy"
        if self.may_destroy(all(step.outcome.is_as_expected for step in self.done)):
            if self._do(Step(title, "nothing of the environment is left", destroy)):
                return []
        else:
            self.done.append(Done(title, "", Outcome("the environment was to be kept", True, True), 0.0))
        how = "alur local down" if bench.is_local else f"alur destroy --env {bench.environment} --delete-data"
        return [f"the environment {bench.environment}, which this test has deployed: `{how}` destroys it"]

    def _is_gone(self) -> bool:
        """Whether a deploy that failed has left nothing; where nobody can say, it may have left something."""
        try:
            return not self.bench.is_local and not self.bench.looks.stack_is_there()
        except AlurError:
            return False

    def _do(self, step: Step) -> bool:
        sys.stderr.write(f"\n== {step.title}\n")
        began = time.monotonic()
        try:
            outcome = step.act(self.bench)
        except (StepFailed, AlurError) as error:
            outcome = Outcome(str(error), False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the report tells it
            traceback.print_exc()
            outcome = Outcome(f"{type(error).__name__}: {error}", False)
        done = Done(step.title, step.expected, outcome, time.monotonic() - began)
        self.done.append(done)
        sys.stderr.write(f"== {done.mark}: {outcome.seen}\n")
        return outcome.is_as_expected


def _quietly(ask: Callable[[], list[RunCost]], otherwise: list[RunCost]) -> list[RunCost]:
    """What a run has cost is no reason to lose the report."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - whatever EMR says of it
        sys.stderr.write(f"what the runs have used is not known: {error}\n")
        return otherwise
