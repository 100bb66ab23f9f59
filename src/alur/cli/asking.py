"""What `alur retry` and `alur reprocess` share: making the one who asks, and saying what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from alur.cli.deployed import Deployed
from alur.cli.output import say
from alur.cli.words import say_number
from alur.contracts.contract import Contract
from alur.dispatch.asking import Asked, Asker

_EXAMPLES = 20


@dataclass(slots=True)
class Named:
    """How many files, and the first few of them: of a million failed files not every path is kept."""

    files: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, paths: Sequence[str]) -> None:
        """Count some more."""
        self.files += len(paths)
        self.examples += paths[: _EXAMPLES - len(self.examples)]


@dataclass(slots=True)
class Heard:
    """What became of the files that were asked for, counted."""

    asked: int = 0
    notified: int = 0
    gone: Named = field(default_factory=Named)
    unclaimed: Named = field(default_factory=Named)
    changed: Named = field(default_factory=Named)
    passed_over: Named = field(default_factory=Named)

    def add(self, asked: Asked) -> None:
        """Count some more.

        Args:
            asked: what became of them.
        """
        self.asked += len(asked.asked)
        self.notified += asked.notified
        self.gone.add(asked.gone)
        self.unclaimed.add(asked.unclaimed)
        self.changed.add(asked.changed)
        self.passed_over.add(asked.passed_over)

    @property
    def problems(self) -> bool:
        """Whether something that was asked for will not come by itself."""
        return bool(self.gone.files or self.unclaimed.files or self.changed.files or self.passed_over.files)

    def as_document(self) -> dict[str, Any]:
        """Return it for JSON; of lists the first 20 each."""
        lists = {
            "gone": self.gone,
            "unclaimed": self.unclaimed,
            "changed": self.changed,
            "passed_over": self.passed_over,
        }
        return {
            "asked": self.asked,
            "events_sent": self.notified,
            **{name: {"files": named.files, "examples": named.examples} for name, named in lists.items()},
        }


def make_asker(deployed: Deployed, contracts: Iterable[Contract]) -> Asker:
    """Make who asks for files again in a deployment.

    Args:
        deployed: which.
        contracts: of the tables whose files may be asked for.

    Raises:
        DeploymentUnknown: nothing names the queue that one of them needs: found out before anything is changed.
    """
    if any(deployed.takes_events(contract) for contract in contracts):
        _ = deployed.notifier
    return Asker(
        files=deployed.files,
        storage=deployed.storage,
        takes_events=deployed.takes_events,
        notify=lambda versions: deployed.notifier.notify(versions),
        clock=deployed.clock,
    )


def say_heard(heard: Heard, what: str) -> None:
    """Say what became of the files; on stderr what did not become of them.

    Args:
        heard: what became of them.
        what: what happens to those that were asked for, as `tried again`.
    """
    if heard.notified:
        click.echo(f"{what}: {say_number(heard.notified, 'file')}, each by an event that was sent")
    if heard.asked > heard.notified:
        click.echo(f"{what} by the next `alur run`: {say_number(heard.asked - heard.notified, 'file')}")
    if not heard.asked:
        click.echo(f"{what}: no file")
    remedies = (
        (heard.gone, "their objects are not in the bucket; upload them again under the same keys"),
        (heard.unclaimed, "no glob of the contract means them; widen Meta.source_path and deploy"),
        (heard.changed, "somebody else was at them just now; look at them with `alur show`"),
        (
            heard.passed_over,
            "they are older than the watermark, and a plain `alur run` passes over them; give it an earlier --since",
        ),
    )
    for named, remedy in remedies:
        if named.files:
            say(f"{say_number(named.files, 'file')}: {remedy}")
            for path in named.examples:
                say(f"  {path}")
            if named.files > len(named.examples):
                say("  ...")
