"""What the steps have in their hands, and what a step comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from alur.clock import Clock
from alur.ledger.model import LedgerItem
from smoke.looks import Looks
from smoke.shell import Typed


class Types(Protocol):
    """Types commands: `Shell`, or what a test has in its place.

    Attributes:
        variables: the environment in which they are typed.
    """

    variables: dict[str, str]

    def type(self, command: str) -> Typed:
        """Run a command and wait for its end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to.

    Attributes:
        seen: what was seen, a sentence.
        is_as_expected: whether that is what was expected.
        is_skipped: nothing was done, and nothing was to be.
    """

    seen: str
    is_as_expected: bool
    is_skipped: bool = False


@dataclass(slots=True)
class Bench:
    """One smoke test.

    Attributes:
        environment: a section of samconfig.toml.
        smoke_id: names this test's folder.
        is_local: it goes against the local stack.
        shell: types commands.
        looks: looks at the deployment; made once there is one.
        folder: for files of its own on this machine.
        clock, sleep: time.
        is_forced: the table may have files of others.
        has_deployed: the environment is this test's own.
        has_uploaded: there may be objects of this test.
        rows: of each file that must be in the table, by path: what the audit has to find.
    """

    environment: str
    smoke_id: str
    is_local: bool
    shell: Types
    looks: Looks
    folder: Path
    clock: Clock
    sleep: Callable[[float], None]
    is_forced: bool = False
    has_deployed: bool = False
    has_uploaded: bool = False
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def key_prefix(self) -> str:
        """What every key begins with that this test writes."""
        return f"orders/alur-smoke-{self.smoke_id}/"

    def uri(self, name: str = "") -> str:
        """The path of a file in the landing bucket, or of the folder of them."""
        return f"s3://{self.looks.name('LandingBucket')}/{self.key_prefix}{name}"

    def alur(self, command: str) -> Typed:
        """Type an `alur` command for the environment.

        Args:
            command: behind `alur`.
        """
        return self.shell.type(f"alur {command} --env {self.environment}")

    def write(self, name: str, text: str) -> Path:
        """Write a file on this machine.

        Args:
            name: its name.
            text: what is in it.
        """
        file = self.folder / name
        file.write_text(text)
        return file

    def entries(self, names: Sequence[str]) -> Mapping[str, LedgerItem]:
        """What the ledger has of this test's files, by name."""
        found = self.looks.entries([self.uri(name) for name in names])
        return {path.removeprefix(self.uri()): item for path, item in found.items()}
