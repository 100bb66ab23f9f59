"""Every schedule of a small scenario, up to a number of preemptions: by depth first, and from the beginning each time.

What happens from outside (an upload, a sweep that begins) stands in scripts: each is in order, and between them any
order is tried. A preemption is a change away from somebody who could go on. It is tried before every operation that
others could tell from its absence, or whose outcome others could change; before others (a manifest that nobody knows
of yet, one's own scratch branch) a change of actors is the same as one after it. Where somebody has come to his end,
whoever goes on next costs nothing. When all has happened, everything comes to rest and is judged, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exploration.explorer import Schedule, come_to_rest
from exploration.rules import Violation
from exploration.scheduler import Actor, Operation
from exploration.world import Label, Universe, World

_OWN = frozenset(
    {
        "begin",
        "PutObject",
        "create branch at",
        "drop branch",
        "look at",
        "plan the read",
        "append to the branch",
        "count what is staged",
        "remove rows",
        "collect",
        "sleep",
        "rejects create branch at",
        "rejects drop branch",
        "rejects look at",
        "rejects append to the branch",
        "rejects remove rows",
        "rejects collect",
    }
)
"""Operations on what nobody else knows of, or on what never changes, as long as no history expires."""


FINISH: Label = ("finish",)
"""In what has happened before: every run comes to its end."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and in which freedom.

    Attributes:
        universe: whose files and contract.
        scripts: labels that happen in this order, each as soon as it can.
        preemptions: how many there may be in one schedule.
        before: what has happened when the scripts begin: functions come to their ends after each of these, and runs
            where it says `finish`; `until`, an actor and an operation let that one come up to it.
    """

    universe: Universe
    scripts: tuple[tuple[Label, ...], ...]
    preemptions: int
    before: tuple[Label, ...] = ()


@dataclass(slots=True)
class _Choice:
    """A point at which a schedule could go on in several ways: (label, whether it is a preemption)."""

    options: tuple[tuple[Label, bool], ...]
    chosen: int = 0

    @property
    def label(self) -> Label:
        return self.options[self.chosen][0]

    @property
    def cost(self) -> int:
        return self.options[self.chosen][1]


def every(scenario: Scenario) -> Iterator[Schedule]:
    """Yield each schedule of a scenario, judged.

    Args:
        scenario: which.
    """
    path: list[_Choice] = []
    while True:
        yield _one(scenario, path)
        while path and path[-1].chosen + 1 >= len(path[-1].options):
            path.pop()
        if not path:
            return
        path[-1].chosen += 1


def _one(scenario: Scenario, path: list[_Choice]) -> Schedule:
    """Follow a path of choices, and from its end on the first of every choice, which joins the path."""
    world = World(scenario.universe)
    labels: list[Label] = []
    violation: Violation | None = None

    def happen(label: Label) -> None:
        labels.append(label)
        world.apply(label)

    try:
        for label in scenario.before:
            if label[0] == "until":
                actor = world.scheduler.actors[label[1]]
                while actor.pending.what != label[2]:
                    happen(("go", actor.name))
            elif label != FINISH:
                happen(label)
            while going := [actor for actor in world.going() if label == FINISH or not _is_run(actor)]:
                happen(("go", going[0].name))
        scripts = [list(script) for script in scenario.scripts]
        left, depth, last = scenario.preemptions, 0, ""
        while options := _options(world, scripts, last, left):
            if len(options) > 1:
                if depth == len(path):
                    path.append(_Choice(options))
                options = (path[depth].options[path[depth].chosen],)
                depth += 1
            label, is_preemption = options[0]
            left -= is_preemption
            if label[0] == "go":
                last = label[1]
            else:
                last = ""
                next(script for script in scripts if script and script[0] == label).pop(0)
            happen(label)
        come_to_rest(world)
    except Violation as found:
        violation = found
    finally:
        world.close()
    steps = sum(label[0] == "go" for label in labels)
    return Schedule(scenario.universe, tuple(labels), violation, steps, len(world.jobs.runs), dict(world.counts))


def _options(world: World, scripts: list[list[Label]], last: str, left: int) -> tuple[tuple[Label, bool], ...]:
    actor = world.scheduler.actors.get(last)
    goes_on = actor is not None and actor.is_going
    found: list[tuple[Label, bool]] = []
    if actor is not None and goes_on:
        found.append((("go", last), False))
        if not left or not _is_shared(actor.pending):
            return tuple(found)
    found += [(("go", other.name), goes_on) for other in world.going() if other.name != last]
    found += [(script[0], goes_on) for script in scripts if script and _can(world, script[0])]
    return tuple(found)


def _is_run(actor: Actor) -> bool:
    return actor.name.startswith("r")


def _is_shared(operation: Operation) -> bool:
    if operation.what == "GetObject":
        # A document of ours never changes once it is written; a file that landed does.
        return not str(operation.detail[0]).startswith("alur/")
    return operation.what not in _OWN


def _can(world: World, label: Label) -> bool:
    what, *whom = label
    if what == "deliver":
        return set(whom) <= set(world.queue)
    if what == "sweep":
        return bool(world.batch_table.items)
    if what in ("twin", "presume dead", "cancel"):
        return whom[0] in world.jobs.runs
    if what == "kill":
        actor: Actor | None = world.scheduler.actors.get(whom[0])
        return actor is not None and actor.is_going
    if what == "forget":
        return bool(world.file_table.items)
    return True
