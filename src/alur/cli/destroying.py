"""`alur destroy`: an environment's stack is deleted; its data stays, unless somebody says twice that it shall not."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from alur.aws.deployment import Deployment
from alur.aws.retained import Kept, Kind, Retained
from alur.aws.stacks import Stack, StackResource, Stacks
from alur.cli.deployed import json_option
from alur.cli.deploying import env_required, say_endpoint
from alur.cli.output import EXIT_FAILED, EXIT_NOT_DEPLOYED, print_json, say, stop
from alur.cli.sam import delete_command, find_tools, require_tools, run_sam
from alur.errors import DeployError

_EXISTING_LANDING = "ExistingLandingBucket"

_BY_HAND = {
    Kind.BUCKET: "aws s3 rb s3://{name} --force",
    Kind.TABLE: "aws dynamodb delete-table --table-name {name}",
    Kind.DATABASE: "aws glue delete-database --name {name}",
}


@dataclass(frozen=True, slots=True)
class Destruction:
    """What deleting a stack means.

    Attributes:
        stack: which.
        goes: what is destroyed with it.
        kept: what holds data and stays.
        foreign: the landing bucket that the stack was only given; it is never touched.
    """

    stack: Stack
    goes: tuple[StackResource, ...]
    kept: tuple[Kept, ...]
    foreign: str


@click.command()
@env_required
@click.option("--yes", is_flag=True, help="Ask nothing. With --delete-data that is the end of the data.")
@click.option("--delete-data", is_flag=True, help="Delete buckets, tables and database too, with all they hold.")
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed and what is kept, and do nothing.")
@json_option
def destroy(environment: str, yes: bool, delete_data: bool, dry_run: bool, as_json: bool) -> None:
    """Delete an environment's stack. Files, tables and ledger stay, and cost what they cost, unless --delete-data.

    What would go and what stays is said first. To go on, type the stack's name; with --delete-data type it again. A
    landing bucket that the stack was only given (ExistingLandingBucket) is never touched.
    """
    deployment = Deployment(environment=environment)
    section = deployment.section
    stacks = Stacks(deployment.client("cloudformation"))
    stack = stacks.find(section.stack)
    if stack is None:
        where = deployment.region_name or "the default Region"
        stop(f"there is no stack {section.stack} in {where}: nothing is to be destroyed", EXIT_NOT_DEPLOYED)
    retained = Retained(deployment)
    resources = stacks.resources(stack.name)
    destruction = plan_destruction(stack, resources, retained.survey(resources))
    if as_json:
        print_json(destruction_document(destruction, delete_data))
    else:
        _show(destruction, delete_data)
    if dry_run:
        return
    _refuse(destruction, environment, delete_data)
    tools = find_tools(os.environ)
    command = delete_command(require_tools(tools), section, deployment.region_name)
    say_endpoint(os.environ)
    if not yes:
        _ask_for_name(stack.name, f"Type the stack's name, {stack.name}, to delete it")
        if delete_data:
            _ask_for_name(stack.name, "Type it again to delete all of its data, too, for good")
    run_sam(command, section, tools, os.environ, to_stderr=as_json)
    if stacks.find(stack.name) is not None:
        raise DeployError(f"stack {stack.name}", "SAM ended well, and it is still there; its data was not touched")
    say(f"{stack.name} is deleted")
    if delete_data:
        _delete_data(retained, destruction.kept)
    elif destruction.kept:
        say("what is kept costs what it holds; docs/deploying.md says how a new stack takes it up")


def plan_destruction(stack: Stack, resources: Sequence[StackResource], kept: Sequence[Kept]) -> Destruction:
    """Tell what goes from what stays.

    Args:
        stack: the stack.
        resources: all that it holds.
        kept: what holds data and stays.
    """
    foreign = stack.parameters.get(_EXISTING_LANDING, "")
    return Destruction(
        stack=stack,
        goes=tuple(resource for resource in resources if not resource.is_retained),
        # The stack does not hold a bucket that it was given. Were it listed all the same, it is not Alur's to delete.
        kept=tuple(one for one in kept if not (one.kind is Kind.BUCKET and one.name == foreign)),
        foreign=foreign,
    )


def destruction_document(destruction: Destruction, delete_data: bool) -> dict[str, Any]:
    """Render what is planned for JSON.

    Args:
        destruction: what deleting the stack means.
        delete_data: whether the data goes too.
    """
    return {
        "stack": destruction.stack.name,
        "destroyed": [
            {"logical_id": one.logical_id, "type": one.type, "name": one.physical_id} for one in destruction.goes
        ],
        "data": [
            {
                "logical_id": one.logical_id,
                "kind": one.kind.value,
                "name": one.name,
                "holds": one.holds,
                "is_protected": one.is_protected,
            }
            for one in destruction.kept
        ],
        "deletes_data": delete_data,
        "never_touched": [destruction.foreign] if destruction.foreign else [],
    }


def _show(destruction: Destruction, delete_data: bool) -> None:
    click.echo(f"stack {destruction.stack.name} ({destruction.stack.status})")
    click.echo("destroyed:")
    for resource_type, number in sorted(Counter(one.type for one in destruction.goes).items()):
        names = ", ".join(one.logical_id for one in destruction.goes if one.type == resource_type)
        click.echo(f"  {number} {resource_type}: {names}")
    if not destruction.goes:
        click.echo("  nothing")
    click.echo("destroyed with all that it holds, because of --delete-data:" if delete_data else "kept:")
    for one in destruction.kept:
        protection = ", deletion protection is on" if one.is_protected else ""
        click.echo(f"  {one.kind} {one.name} ({one.logical_id}): {one.holds}{protection}")
    if not destruction.kept:
        click.echo("  nothing")
    if destruction.foreign:
        click.echo(f"never touched:\n  bucket {destruction.foreign}, which the stack was given")


def _refuse(destruction: Destruction, environment: str, delete_data: bool) -> None:
    """Stop before anything is destroyed where not all of it could be."""
    name = destruction.stack.name
    if destruction.stack.is_protected:
        raise DeployError(
            f"stack {name}",
            "its termination protection is on: `aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {name}` takes it away",
        )
    protected = [one.name for one in destruction.kept if one.is_protected]
    if delete_data and protected:
        raise DeployError(
            f"DynamoDB tables {', '.join(protected)}",
            "their deletion protection is on, and nothing was destroyed: set DeletionProtection=off in samconfig.toml, "
            f"`alur deploy --env {environment}`, and destroy then",
        )


def _ask_for_name(stack: str, question: str) -> None:
    try:
        answer = click.prompt(question, err=True, default="", show_default=False)
    except click.Abort:
        stop("\nnothing was destroyed: nobody answered; --yes answers beforehand", EXIT_FAILED)
    if answer.strip() != stack:
        stop("nothing was destroyed: that is not the stack's name", EXIT_FAILED)


def _delete_data(retained: Retained, kept: Sequence[Kept]) -> None:
    left = list(kept)
    try:
        for one in kept:
            retained.delete(one, say)
            left.remove(one)
            say(f"{one.kind} {one.name} is deleted")
    except DeployError as error:
        say(f"error: {error}")
        say("the stack is gone, and with it the list of these, which are left. By hand:")
        for one in left:
            say(f"  {_BY_HAND[one.kind].format(name=one.name)}")
        sys.exit(EXIT_FAILED)
