"""`alur logs`: what a run's driver said."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import click

from alur.aws.deployment import Deployment
from alur.aws.run_logs import REFRESH_SECONDS, RunFacts, RunLogs, Stream
from alur.aws.storage import Storage
from alur.cli.deployed import env_option
from alur.cli.log_lines import Follower, render
from alur.cli.output import EXIT_FAILED, say, stop
from alur.clock import to_iso, utc_now

POLL_SECONDS = 5.0
_AFTER_THE_END = timedelta(seconds=2 * REFRESH_SECONDS)
"""How long after a run's end EMR may still write the last of its log."""


@click.command()
@click.argument("run", required=False)
@env_option
@click.option("--tail", is_flag=True, help="Go on until the run has ended.")
@click.option("--stderr", "spark", is_flag=True, help="What Spark says, instead of what Alur says.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are in the log.")
def logs(run: str | None, environment: str | None, tail: bool, spark: bool, as_json: bool) -> None:
    """Show the log of RUN's driver; without RUN that of the run that was submitted last.

    EMR Serverless writes the log to S3 about every 15 seconds, and its first lines a minute or two after the run was
    submitted: --tail is that much behind.
    """
    deployment = Deployment(environment=environment)
    application = deployment.name("ApplicationId")
    source = RunLogs(
        deployment.client("emr-serverless"),
        Storage(deployment.client("s3")),
        application,
        deployment.name("ArtifactsBucket"),
    )
    facts = source.newest() if run is None else source.find(run)
    if facts is None:
        gone = "EMR forgets runs after a while, and `alur logs` shows the newest one"
        missing = f"there is no run {run} of application {application}; {gone}"
        none = f"application {application} has had no run yet, or none that EMR still knows"
        stop(missing if run else none, EXIT_FAILED)
    say(describe(facts))

    def show(line: str) -> None:
        click.echo(line if as_json else render(line))

    stream = Stream.STDERR if spark else Stream.STDOUT
    if tail:
        facts, shown = follow(source, facts, stream, show)
    else:
        text = source.read(facts.run_id, stream)
        for line in (text or b"").decode(errors="replace").splitlines():
            show(line)
        shown = text is not None
    if not shown:
        say(f"there is no {stream}.gz of it yet: {why_no_log(facts)}")


def follow(
    source: RunLogs,
    facts: RunFacts,
    stream: Stream,
    show: Callable[[str], None],
    *,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[RunFacts, bool]:
    """Show a log until its run has ended and the last of it must have come.

    Args:
        source: where runs and logs are.
        facts: the run, as it was a moment ago.
        stream: which log.
        show: shows a line.
        clock: the present.
        sleep: waits for so many seconds.

    Returns:
        The run as it is at the end, and whether there was any log.
    """
    follower = Follower()
    state = facts.state
    while True:
        # Asked before the log is read: what a run has said by its end is then in what is read after it.
        facts = source.find(facts.run_id) or facts
        if facts.state != state:
            state = facts.state
            say(describe(facts))
        is_final = facts.has_ended and clock() - (facts.ended_at or facts.created_at) > _AFTER_THE_END
        text = source.read(facts.run_id, stream)
        if text is not None:
            lines, begins_anew = follower.feed(text, is_final=is_final)
            if begins_anew:
                say("the log was cut or rotated; from its beginning:")
            for line in lines:
                show(line)
        if is_final:
            return facts, text is not None
        sleep(POLL_SECONDS)


def describe(facts: RunFacts) -> str:
    """Say in a line which run it is and how it is.

    Args:
        facts: what EMR says of it.
    """
    details = f": {facts.details}" if facts.details else ""
    name = f" ({facts.name})" if facts.name else ""
    return f"run {facts.run_id}{name}, submitted {to_iso(facts.created_at)}: {facts.state}{details}"


def why_no_log(facts: RunFacts) -> str:
    """Say why there may be no log.

    Args:
        facts: what EMR says of the run.
    """
    if not facts.has_ended:
        return f"it is {facts.state}, and EMR writes the first lines a minute or two after the driver has begun"
    return (
        f"it ended as {facts.state}; either its driver never began, or its log is older than LogRetentionDays and was "
        "deleted"
    )
