"""The report of a smoke test, as markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoke.bench import Outcome
from smoke.looks import RunCost

VCPU_HOUR, MEMORY_GB_HOUR = 0.052624, 0.0057785
"""US$ for EMR Serverless on x86 in us-east-1, as README.md has them; prices change."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was done.

    Attributes:
        title, expected: the step's.
        outcome: what it came to.
        seconds: how long it took.
    """

    title: str
    expected: str
    outcome: Outcome
    seconds: float

    @property
    def mark(self) -> str:
        """In a word."""
        if self.outcome.is_skipped:
            return "skipped"
        return "as expected" if self.outcome.is_as_expected else "**NOT AS EXPECTED**"


@dataclass(frozen=True, slots=True)
class Report:
    """A smoke test, told.

    Attributes:
        smoke_id: its id.
        environment: the section of samconfig.toml.
        is_local: it went against the local stack.
        steps: what was done.
        costs: what each run has used.
        left: what of it is still there, a sentence each.
    """

    smoke_id: str
    environment: str
    is_local: bool
    steps: Sequence[Done]
    costs: Sequence[RunCost]
    left: Sequence[str]

    @property
    def is_as_expected(self) -> bool:
        """Whether every step was."""
        return all(step.outcome.is_as_expected for step in self.steps)

    def render(self) -> str:
        """Return it as markdown."""
        return "\n".join(
            [
                f"# Smoke test {self.smoke_id} of {self.environment}",
                "",
                self._verdict(),
                "",
                "| step | expected | seen | | s |",
                "|---|---|---|---|---|",
                *(
                    f"| {_cell(step.title)} | {_cell(step.expected)} | {_cell(step.outcome.seen)} | {step.mark} | "
                    f"{step.seconds:.0f} |"
                    for step in self.steps
                ),
                "",
                *self._costs(),
                *(["## What is left", "", *(f"- {line}" for line in self.left), ""] if self.left else []),
            ]
        )

    def _verdict(self) -> str:
        wrong = [step.title for step in self.steps if not step.outcome.is_as_expected]
        verdict = f"Not as expected: {', '.join(wrong)}." if wrong else "Everything was as expected."
        if self.is_local:
            verdict += (
                " This went against the **local stack** (`LOCAL=1`): moto, DynamoDB Local and Spark on this machine in "
                "place of AWS; deploy and destroy were `alur local up` and `down`. It says nothing about IAM, "
                "CloudFormation, EMR Serverless' own release, Glue's commits, or what it costs."
            )
        return verdict

    def _costs(self) -> list[str]:
        if not self.costs:
            return []
        minutes = sum(cost.seconds for cost in self.costs) / 60
        lines = [
            "## Runs",
            "",
            f"{len(self.costs)} runs of EMR Serverless, {minutes:.1f} minutes from submission to end, all together.",
            "",
            "| run | name | state | s | vCPU h | GB h |",
            "|---|---|---|---|---|---|",
            *(
                f"| {cost.run_id} | {cost.name} | {cost.state} | {cost.seconds:.0f} | {_hours(cost.vcpu_hours)} | "
                f"{_hours(cost.memory_gb_hours)} |"
                for cost in self.costs
            ),
            "",
        ]
        if all(cost.vcpu_hours is None for cost in self.costs):
            return [*lines, "What is billed for them nobody says here.", ""]
        vcpu = sum(cost.vcpu_hours or 0.0 for cost in self.costs)
        memory = sum(cost.memory_gb_hours or 0.0 for cost in self.costs)
        dollars = vcpu * VCPU_HOUR + memory * MEMORY_GB_HOUR
        unknown = sum(cost.vcpu_hours is None for cost in self.costs)
        more = f"; of {unknown} runs it is not known yet" if unknown else ""
        return [
            *lines,
            f"Billed: {vcpu:.3f} vCPU hours and {memory:.3f} GB hours; by the prices of us-east-1 some US$ "
            f"{dollars:.3f}{more}.",
            "",
        ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _hours(hours: float | None) -> str:
    return "" if hours is None else f"{hours:.3f}"
