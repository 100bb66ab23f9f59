"""Schedules: by chance from a seed, the same again from its labels, shrunk, and every one of a small scenario."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from alur.contracts.contract import OnOverwrite
from exploration.jobs import OUTAGES
from exploration.rules import Violation, next_moment
from exploration.world import Label, Universe, World

ROUNDS_TO_REST = 80
"""How often everything is let go on, before something counts as stuck."""

MOST_STEPS = 20_000
"""Of a world at rest: whoever goes on for longer goes on for ever."""

ADVANCES = ("1", "2", "61", "200", "301", "3601")
"""By how many seconds time may go on by itself: within S3's second, a backoff, an unsubmitted slot, a lease."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happened in a world, and what came of it.

    Attributes:
        labels: what happened, up to where everything was left alone.
        violation: None: every rule held.
        steps: of all actors.
        runs: how many were started.
        counts: how often the rest happened.
        sights: what it came to.
    """

    universe: Universe
    labels: tuple[Label, ...]
    violation: Violation | None
    steps: int
    runs: int
    counts: dict[str, int]
    sights: frozenset[str] = frozenset()


def by_chance(seed: int, base: Universe | None = None) -> Schedule:
    """Explore one schedule of a universe, both chosen by a seed.

    Args:
        seed: the same one gives the same schedule.
        base: the universe, where only the schedule is left to chance.
    """
    dice = random.Random(seed)
    universe = base or universe_by_chance(dice)
    world = World(replace(universe, switch=dice.choice((0.02, 0.05, 0.15, 0.4))))
    labels: list[Label] = []
    violation: Violation | None = None
    try:
        for label in _chosen(world, dice):
            labels.append(label)
            world.apply(label)
        come_to_rest(world)
    except Violation as found:
        violation = found
    finally:
        world.close()
    steps = sum(label[0] == "go" for label in labels)
    sights = frozenset(world.rules.sights)
    return Schedule(universe, tuple(labels), violation, steps, len(world.jobs.runs), dict(world.counts), sights)


def again(universe: Universe, labels: Iterable[Label], traces: bool = False) -> tuple[Violation | None, list[str]]:
    """Let the same things happen again, as far as they can, and come to rest.

    Args:
        universe: whose.
        labels: what happens; what cannot is passed over.
        traces: return what happened, step by step.
    """
    world = World(universe, traces)
    violation: Violation | None = None
    try:
        for label in labels:
            world.apply(label)
        come_to_rest(world)
    except Violation as found:
        violation = found
    finally:
        world.close()
    return violation, world.trace or []


def shrunk(schedule: Schedule, tries: int = 600) -> tuple[Label, ...]:
    """Leave out of a schedule what its violation does not need.

    Args:
        schedule: with a violation.
        tries: how many shorter ones are tried.
    """
    assert schedule.violation is not None
    labels = list(schedule.labels)
    size = max(1, len(labels) // 2)
    while size and tries:
        start = 0
        while start < len(labels) and tries:
            tries -= 1
            fewer = labels[:start] + labels[start + size :]
            violation, _ = again(schedule.universe, fewer)
            if violation is not None and violation.rule == schedule.violation.rule:
                labels = fewer
            else:
                start += size
        size //= 2
    return tuple(labels)


def told(schedule: Schedule, seed: int | None = None) -> str:
    """Tell of a violation: the universe, the shortest schedule that was found, and what happens in it."""
    labels = shrunk(schedule)
    violation, trace = again(schedule.universe, labels, traces=True)
    return "\n".join(
        [
            f"{violation or schedule.violation}",
            f"seed {seed} of {schedule.universe}",
            f"{len(schedule.labels)} labels, {len(labels)} of them are needed:",
            *trace,
        ]
    )


def come_to_rest(world: World) -> None:
    """Leave everything alone: what goes on goes on, what is queued is delivered, time passes; then judge.

    Raises:
        Violation: something is stuck, or is not as it should be at rest.
    """
    # The daily walk is a net under the protocol, and must have nothing to catch.
    rules = world.rules
    world.apply(("outage ends",))
    world.apply(("take rows",))
    if not rules.lost_batches and not rules.died_late:
        _let_go_on(world)
        if rules.deployed_over:
            # A changed contract is walked for once more when no function of the old code can be claiming any more.
            world.apply(("advance", "400"))
            _let_go_on(world)
        world.rules.rest()
        if world.violation is not None:
            raise world.violation
    for _ in range(2):
        world.apply(("advance", "90000"))
        _let_go_on(world)
    world.rules.rest()
    if world.violation is not None:
        raise world.violation


def _let_go_on(world: World) -> None:
    steps = 0
    for _ in range(ROUNDS_TO_REST):
        if world.queue:
            world.apply(("deliver", *world.queue))
        while going := world.going():
            for actor in going:
                while actor.is_going:
                    world.apply(("go", actor.name))
                    steps += 1
                    if steps > MOST_STEPS:
                        world.violate("stuck", f"{actor.name} goes on for ever")
        world.apply(("sweep",))
        while going := world.going():
            for actor in going:
                while actor.is_going:
                    world.apply(("go", actor.name))
                    steps += 1
        if not world.queue and not any("open_key" in item for item in world.batch_table.items.values()):
            return
        moment = next_moment(world)
        wait = (moment - world.now) if moment is not None else timedelta(seconds=61)
        world.apply(("advance", str(wait.total_seconds() + 0.001)))


# --------------------------------------------------------------------------------------------- by chance


def universe_by_chance(dice: random.Random) -> Universe:
    """Choose a universe: few files, few versions, and some of what can go wrong."""

    def some(chance: float, most: int = 1) -> int:
        return dice.randint(1, most) if dice.random() < chance else 0

    bad = dice.sample(
        ("bare", "empty", "header", dice.choice(("records", "mixed", "mixed-too")), "broken", "poison"), some(0.5, 2)
    )
    good = dice.sample(("two", "three", "one", "bare"), dice.randint(1, 2))
    keys = dice.choice((("a.csv",), ("a.csv",), ("a.csv", "b.csv"), ("a.csv", "b.csv", "_c.csv")))
    deploys = some(0.1)
    return Universe(
        keys=keys,
        kinds=tuple(dict.fromkeys([*good, *bad, *(["wide"] if deploys else [])])),
        on_overwrite=dice.choice(
            (OnOverwrite.REPLACE, OnOverwrite.REPLACE, OnOverwrite.REPLACE, OnOverwrite.APPEND, OnOverwrite.SKIP)
        ),
        max_runs=dice.choice((1, 1, 2)),
        keeps_versions=dice.random() < 0.25,
        packs=dice.random() < 0.6,
        uploads=len(keys) - 1 + dice.randint(1, 4),
        deletes=some(0.2, 2),
        duplicates=some(0.3, 3),
        sweeps=dice.choice((2, 8, 16)),
        # A session of older code judges by the contract as it was, and only the daily walk finds what it failed.
        sessions=0 if deploys else some(0.3, 3),
        harm=some(0.6, 4),
        twins=some(0.4, 2),
        cancels=some(0.15),
        forgets=some(0.15, 2),
        wipes=some(0.04),
        meddling=some(0.25, 4),
        rollbacks=some(0.05),
        deploys=deploys,
        refusals=some(0.05),
        outages=some(0.1, 2),
        max_attempts=dice.choice((1, 2, 3, 3)),
        steps=dice.choice((150, 400, 800)),
    )


def _chosen(world: World, dice: random.Random) -> Iterator[Label]:
    """Yield what happens next, by chance; a burst of one actor's steps is likelier than a change of actors."""
    universe = world.universe
    last = ""
    for _ in range(universe.steps):
        going = world.going()
        actor = world.scheduler.actors.get(last)
        if actor is None or not actor.is_going or dice.random() < universe.switch:
            happenings = _happenings(world, dice)
            chances = [2.0] * len(going) + [weight for weight, _ in happenings]
            if not chances:
                return
            number = dice.choices(range(len(chances)), chances)[0]
            if number >= len(going):
                yield happenings[number - len(going)][1]
                continue
            actor = going[number]
            last = actor.name
        fault = ""
        if actor.pending.faults and dice.random() < 0.03:
            fault = dice.choice(actor.pending.faults)
            if not fault.startswith("behind") and world.count("harm") >= universe.harm:
                fault = ""
        yield ("go", actor.name, fault) if fault else ("go", actor.name)


def _happenings(world: World, dice: random.Random) -> list[tuple[float, Label]]:
    universe, found = world.universe, []

    def left(what: str) -> bool:
        return world.count(what) < int(getattr(universe, what))

    def maybe(weight: float, *label: str) -> None:
        found.append((weight, label))

    key = dice.choice(universe.keys)
    if left("uploads"):
        maybe(2, "upload", key, dice.choice(universe.kinds))
    if left("deletes"):
        maybe(0.7, "delete", key)
    if world.queue:
        maybe(3, "deliver", *dice.sample(world.queue, dice.randint(1, min(3, len(world.queue)))))
    if left("duplicates") and world.events:
        maybe(0.7, "duplicate", dice.choice(list(world.events)))
    if left("sweeps") and world.batch_table.items:
        maybe(1.5, "sweep")
    if left("sessions") and world.bucket.things:
        maybe(1.5, "session")
    going = [run for run in world.jobs.runs.values() if not run.state.has_ended]
    if left("harm") and world.going():
        maybe(0.5, "kill", dice.choice(world.going()).name)
        if going:
            maybe(0.5, "presume dead", dice.choice(going).run_id, dice.choice(("FAILED", "GONE")))
    if left("twins") and world.jobs.runs:
        maybe(0.7, "twin", dice.choice(list(world.jobs.runs)))
    if left("cancels") and going:
        maybe(0.4, "cancel", dice.choice(going).run_id)
    if left("forgets") and world.file_table.items:
        maybe(0.5, "forget", key)
        maybe(0.1, "forget batches")
    if left("wipes") and world.file_table.items:
        maybe(0.3, "wipe")
    if left("meddling"):
        maybe(0.5, "foreign append")
        maybe(0.5, "compact")
        maybe(0.3, "expire")
    if left("rollbacks") and world.table.made > 3:
        maybe(0.5, "roll back")
    if left("deploys"):
        maybe(0.3, "deploy")
    if not world.takes_rows:
        maybe(0.5, "take rows")
    elif left("refusals"):
        maybe(0.3, "refuse rows")
    if world.jobs.outage is not None:
        maybe(0.3, "outage ends")
    elif left("outages"):
        maybe(0.3, "outage", dice.choice(OUTAGES))
    if found or world.going():
        maybe(0.6, "advance", dice.choice(ADVANCES))
    return found


def search(seeds: Iterable[int], base: Universe | None = None) -> tuple[int | None, Schedule | None, int]:
    """Explore until a rule is broken.

    Returns:
        The seed and its schedule, or None twice; and how many schedules there were.
    """
    tried = 0
    for seed in seeds:
        tried += 1
        schedule = by_chance(seed, base)
        if schedule.violation is not None:
            return seed, schedule, tried
    return None, None, tried
