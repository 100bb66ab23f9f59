"""`alur validate`: everything that is wrong with contracts and pipelines, before a file finds out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from alur.aws.buckets import BucketState, bucket_state
from alur.aws.deployment import Deployment
from alur.aws.stacks import Stack, Stacks
from alur.cli.declarations import Declarations, DeclaredTable, load_declarations
from alur.cli.deployed import env_option, json_option
from alur.cli.findings import Finding, Level, examine, placed_globs, worst_first
from alur.cli.listing import known_variables
from alur.cli.output import EXIT_FAILED, print_json, say
from alur.cli.table_changes import examine_tables


@click.command()
@env_option
@json_option
def validate(environment: str | None, as_json: bool) -> None:
    """Check contracts and pipelines; with --env also against that environment's buckets and tables.

    Spark does not start. Without --env nobody is asked, and the landing bucket has no name. Errors make the exit code
    1; warnings do not.
    """
    declarations = load_declarations()
    if environment is None:
        findings = examine(declarations, known_variables(os.environ))
    else:
        findings = examine_in(declarations, environment)
    if as_json:
        print_json(
            {
                "tables": len(declarations.tables),
                "pipelines": len(declarations.pipelines),
                "findings": [finding_document(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            click.echo(render(finding))
        click.echo(summary(declarations, findings))
    sys.exit(EXIT_FAILED if errors_of(findings) else 0)


def examine_in(declarations: Declarations, environment: str) -> list[Finding]:
    """Return all that is wrong with a project where it is deployed.

    Args:
        declarations: the project's.
        environment: a section of samconfig.toml.

    Raises:
        DeploymentUnknown: it is not deployed, or cannot be asked.
    """
    deployment = Deployment(environment=environment)
    variables = deployment.contract_variables
    stack = Stacks(deployment.client("cloudformation")).find(deployment.section.stack)
    found = [
        *examine(declarations, variables),
        *_buckets(declarations.tables, variables["LandingBucket"], deployment.client("s3")),
        *_prefixes(
            declarations.tables, variables["LandingBucket"], stack.parameters.get("LandingPrefix", "") if stack else ""
        ),
        *examine_deployed_tables(declarations, deployment, stack),
    ]
    return worst_first(found)


def examine_deployed_tables(declarations: Declarations, deployment: Deployment, stack: Stack | None) -> list[Finding]:
    """Return what a project's contracts would change of the tables of its stack, the worst first.

    Args:
        declarations: the project's.
        deployment: where it is deployed.
        stack: as it is now; None, or without a database: it has no tables.
    """
    database = stack.outputs.get("Database") if stack else None
    return worst_first(examine_tables(declarations.tables, deployment, database)) if database else []


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that are errors.

    Args:
        findings: of any level.
    """
    return [finding for finding in findings if finding.level is Level.ERROR]


def render(finding: Finding) -> str:
    """Render a finding as a line.

    Args:
        finding: which.
    """
    # What a contract's own error says begins with the class's name.
    return f"{finding.level}: {finding.where}: {finding.problem.removeprefix(f'{finding.where}: ')}"


def finding_document(finding: Finding) -> dict[str, Any]:
    """Render a finding for JSON.

    Args:
        finding: which.
    """
    return {"level": finding.level.value, "where": finding.where, "problem": finding.problem}


def summary(declarations: Declarations, findings: list[Finding]) -> str:
    """Say in a line what was examined and what was found.

    Args:
        declarations: the project's.
        findings: what was found in them.
    """
    errors, warnings = (sum(finding.level is level for finding in findings) for level in (Level.ERROR, Level.WARNING))
    what = f"{len(declarations.tables)} tables, {len(declarations.pipelines)} pipelines"
    return f"{what}: {errors} errors, {warnings} warnings"


def say_findings(findings: Iterable[Finding]) -> None:
    """Say findings on stderr, a line each.

    Args:
        findings: which.
    """
    for finding in findings:
        say(render(finding))


def _buckets(tables: Iterable[DeclaredTable], landing: str, s3: Any) -> Iterator[Finding]:
    """Say which buckets are not there, or may not be read by the job."""
    users: dict[str, list[str]] = {landing: []}
    for table in tables:
        for placed in placed_globs(table, {"LandingBucket": landing}):
            places = users.setdefault(placed.glob.bucket, [])
            if table.place not in places:
                places.append(table.place)
    for bucket, places in users.items():
        state, said = bucket_state(s3, bucket)
        where = ", ".join(places) or "LandingBucket"
        if state is BucketState.ABSENT:
            remedy = "deploy again" if bucket == landing else "correct Meta.source_path, or make the bucket"
            yield Finding(Level.ERROR, where, f"the bucket {bucket} is not there: {remedy}")
            continue
        if state is BucketState.DENIED:
            yield Finding(
                Level.WARNING,
                where,
                f"the bucket {bucket} may not be looked at by you, or is another account's: {said}",
            )
        elif state is BucketState.UNKNOWN:
            yield Finding(Level.WARNING, where, f"whether the bucket {bucket} is there could not be asked: {said}")
        if bucket != landing:
            yield Finding(
                Level.WARNING,
                where,
                f"the bucket {bucket} is not the landing bucket, {landing}: no event of it comes, and the roles of the "
                "template may not read it; grant JobRole s3:GetObject and s3:ListBucket there, or use ${LandingBucket}",
            )


def _prefixes(tables: Iterable[DeclaredTable], landing: str, prefix: str) -> Iterator[Finding]:
    """Say which globs mean files of the landing bucket that are not announced, because they lie beside its prefix."""
    for table in tables if prefix else ():
        for placed in placed_globs(table, {"LandingBucket": landing}):
            begins = placed.glob.prefix
            if placed.glob.bucket == landing and not begins.startswith(prefix):
                # A glob that begins before the prefix does may mean files below it, and others beside it.
                how_many = "not all of its files are" if prefix.startswith(begins) else "none of its files is"
                yield Finding(
                    Level.WARNING,
                    table.place,
                    f"{placed.text}: {how_many} below {prefix}, the environment's LandingPrefix, and only those are "
                    "announced and may be read: move the glob below it, or deploy another LandingPrefix",
                )
