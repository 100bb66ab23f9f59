"""`alur deploy`: what is declared is checked, built and deployed, and what came of it is said."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

import click

from alur.aws.application_stop import ApplicationStopper
from alur.aws.deployment import Deployment, Section
from alur.aws.stacks import Stack, Stacks, stack_state
from alur.cli.declarations import Declarations, load_declarations
from alur.cli.deployed import json_option
from alur.cli.findings import examine
from alur.cli.listing import known_variables
from alur.cli.output import EXIT_FAILED, print_json, say, stop
from alur.cli.sam import build_command, deploy_command, find_tools, require_tools, run_sam
from alur.cli.validating import errors_of, examine_deployed_tables, say_findings, summary
from alur.errors import AlurError, DeployError

SHOWN_OUTPUTS = ("LandingBucket", "StateTable", "BatchesTable", "Database", "LakeBucket", "ApplicationId")
"""What a user needs first of a stack's outputs."""

_REFUSED = "nothing was built or deployed: correct the errors first"
_STOP_SECONDS = 120.0
_BELONGS_TO_SAMCONFIG = frozenset({"--config-env", "--config-file", "--region", "--stack-name"})

env_required = click.option(
    "--env", "environment", metavar="ENV", required=True, help="The environment: a section of samconfig.toml, as dev."
)
"""Named each time, where something is made or deleted: no variable of the shell decides that."""


@click.command()
@env_required
@click.option("--dry-run", is_flag=True, help="Check, say what would be run, and run nothing.")
@json_option
@click.argument("sam_options", nargs=-1, type=click.UNPROCESSED)
def deploy(environment: str, dry_run: bool, as_json: bool, sam_options: Sequence[str]) -> None:
    """Check contracts and pipelines, build, and deploy with SAM; SAM_OPTIONS, after --, go to `sam deploy`.

    What is deployed already is compared first: a contract that drops or narrows a column of its table is refused.
    With --json SAM speaks on stderr, and stdout has the stack's outputs alone.
    """
    _refuse_redirection(sam_options)
    deployment = Deployment(environment=environment)
    section = deployment.section
    declarations = _check_declarations()
    tools = find_tools(os.environ)
    sam = require_tools(tools)
    region = deployment.region_name
    commands = [build_command(sam, section), deploy_command(sam, section, region, sam_options)]
    if dry_run:
        _show_plan(commands, section, as_json)
        return
    say_endpoint(os.environ)
    _prepare(deployment, section, declarations)
    for command in commands:
        run_sam(command, section, tools, os.environ, to_stderr=as_json)
    _show_outputs(Deployment(environment=environment), as_json)


def say_endpoint(environment: Mapping[str, str]) -> None:
    """Say so where it is not AWS that is changed: a shell that points to the local stack looks like any other.

    Args:
        environment: `os.environ`, or a mapping like it.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL") or environment.get("AWS_ENDPOINT_URL_CLOUDFORMATION")
    if endpoint:
        say(f"AWS_ENDPOINT_URL is set: this goes to {endpoint}, not to AWS")


def refuse_blocked(stack: Stack | None, environment: str) -> None:
    """Stop before the build where CloudFormation would refuse the deploy after it.

    Args:
        stack: as it is now; None: there is none yet.
        environment: the section of samconfig.toml.

    Raises:
        DeployError: it takes no deploy now.
    """
    if stack is None:
        return
    state = stack_state(stack.status, environment, stack.name)
    if not state.takes_deploys:
        raise DeployError(f"stack {stack.name}", f"it is {stack.status}: {state.meaning}; {state.remedy}")


def _refuse_redirection(sam_options: Sequence[str]) -> None:
    for option in sam_options:
        if option.partition("=")[0] in _BELONGS_TO_SAMCONFIG:
            raise click.UsageError(
                f"{option} would deploy where no other command looks: write it into the section of samconfig.toml"
            )


def _check_declarations() -> Declarations:
    declarations = load_declarations()
    findings = examine(declarations, known_variables(os.environ))
    say_findings(findings)
    say(summary(declarations, findings))
    if errors_of(findings):
        stop(_REFUSED, EXIT_FAILED)
    return declarations


def _prepare(deployment: Deployment, section: Section, declarations: Declarations) -> None:
    """See that stack and tables take a deploy, and that its application, if nothing runs on it, takes changes."""
    stack = Stacks(deployment.client("cloudformation")).find(section.stack)
    refuse_blocked(stack, section.environment)
    findings = examine_deployed_tables(declarations, deployment, stack)
    say_findings(findings)
    if errors_of(findings):
        stop(_REFUSED, EXIT_FAILED)
    application = stack.outputs.get("ApplicationId") if stack else None
    if not application:
        return
    try:
        running = ApplicationStopper(deployment.client("emr-serverless")).stop_if_idle(
            application, timeout_seconds=_STOP_SECONDS
        )
    except DeployError as error:
        # Only a change of the application itself needs it stopped, and whether there is one is not known here.
        say(f"{error}; a deploy that changes the application would be refused")
        return
    if running:
        say(
            f"{running} runs are going on application {application}: a deploy that changes the application itself "
            "(MaxVcpu, MaxMemoryGb, MaxConcurrentRuns, Architecture, ReleaseLabel) is refused until they have ended"
        )


def _show_plan(commands: Sequence[Sequence[str]], section: Section, as_json: bool) -> None:
    if as_json:
        print_json({"directory": str(section.file.parent), "stack": section.stack, "commands": commands})
        return
    click.echo(f"in {section.file.parent}, for the stack {section.stack}, these would be run:")
    for command in commands:
        click.echo(f"  {shlex.join(command)}")


def _show_outputs(deployment: Deployment, as_json: bool) -> None:
    try:
        outputs = deployment.outputs
    except AlurError as error:
        # What was deployed is deployed.
        say(f"deployed; its outputs cannot be shown: {error}")
        sys.exit(0)
    if as_json:
        print_json(dict(outputs))
        return
    click.echo(f"{deployment.section.stack} is deployed:")
    for name in SHOWN_OUTPUTS:
        if name in outputs:
            click.echo(f"  {name:<15} {outputs[name]}")
