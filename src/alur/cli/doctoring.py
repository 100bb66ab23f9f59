"""`alur doctor`: what would fail, before it does."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import click

from alur.aws.account_checks import (
    check_credentials,
    check_lake_formation,
    check_permissions,
    check_quota,
    check_region,
    impatient_client,
)
from alur.aws.checks import Check, Outcome
from alur.aws.deployed_checks import check_deployed, check_stack
from alur.aws.deployment import Deployment, Section
from alur.aws.stacks import Stack, Stacks
from alur.cli.declarations import load_declarations
from alur.cli.deployed import json_option
from alur.cli.deploying import env_required
from alur.cli.findings import Finding, examine
from alur.cli.output import EXIT_FAILED, EXIT_NOT_DEPLOYED, print_json
from alur.cli.sam import PYTHON_MISSING, SAM_MISSING, find_tools
from alur.cli.samconfig import TEMPLATE, overrides_of, read_deploy_parameters, section_problems, template_parameters
from alur.cli.validating import errors_of, examine_in, render, summary
from alur.errors import DeploymentUnknown

_DEFAULT_MAX_VCPU = "16"
_SIGNS = {Outcome.OK: "ok", Outcome.WARNING: "warning", Outcome.FAILED: "FAILED", Outcome.UNKNOWN: "unknown"}


@click.command()
@env_required
@json_option
def doctor(environment: str, as_json: bool) -> None:
    """Look at this machine, the project, the account and the environment, and say what would fail.

    Nothing is changed. What cannot be asked is `unknown`, and no failure. Exit code 1: a check failed; 3: AWS knows
    nobody here, or cannot be reached.
    """
    checks: list[Check] = []

    def tell(check: Check) -> None:
        checks.append(check)
        if not as_json:
            _show(check)

    is_let_in = examine_all(environment, tell)
    if as_json:
        print_json([check_document(check) for check in checks])
    else:
        counted = Counter(check.outcome for check in checks)
        click.echo(", ".join(f"{counted[outcome]} {outcome}" for outcome in Outcome if counted[outcome]))
    if not is_let_in:
        sys.exit(EXIT_NOT_DEPLOYED)
    sys.exit(EXIT_FAILED if any(check.outcome is Outcome.FAILED for check in checks) else 0)


def examine_all(environment: str, tell: Callable[[Check], None]) -> bool:
    """Look at everything, in the order in which one thing needs the other.

    Args:
        environment: the section of samconfig.toml.
        tell: told each check as it comes out.

    Returns:
        Whether AWS lets the one who asks in at all.
    """
    deployment = Deployment(environment=environment, make_client=impatient_client)
    for check in check_tools(os.environ):
        tell(check)
    section = _section(deployment)
    tell(section if isinstance(section, Check) else check_section(section))
    if isinstance(section, Check):
        # Without its Region nothing of AWS can be asked after.
        tell(check_declarations(None))
        return True
    credentials, identity = check_credentials(deployment)
    tell(credentials)
    if identity is None:
        tell(check_declarations(None))
        return False
    tell(check_region(deployment))
    tell(check_permissions(deployment, identity))
    stack = _stack(deployment, section)
    tell(stack if isinstance(stack, Check) else check_stack(stack, section.stack, environment))
    is_deployed = isinstance(stack, Stack) and "LandingBucket" in stack.outputs
    tell(check_declarations(environment if is_deployed else None))
    tell(check_quota(deployment, _wanted_vcpu(section, stack)))
    tell(check_lake_formation(deployment))
    if isinstance(stack, Stack) and is_deployed:
        for check in check_deployed(deployment, stack):
            tell(check)
    return True


def check_tools(environment: Mapping[str, str]) -> Iterator[Check]:
    """Say whether this machine can build and deploy.

    Args:
        environment: `os.environ`, or a mapping like it.
    """
    tools = find_tools(environment)
    if tools.sam:
        yield Check("sam", Outcome.OK, tools.sam)
    else:
        yield Check("sam", Outcome.FAILED, *_what_and_remedy(SAM_MISSING))
    if tools.python:
        yield Check("python3.11", Outcome.OK, tools.python)
    else:
        yield Check("python3.11", Outcome.FAILED, *_what_and_remedy(PYTHON_MISSING))


def check_section(section: Section) -> Check:
    """Say whether SAM can do with a section of samconfig.toml.

    Args:
        section: which.
    """
    known = template_parameters(section.file.parent / TEMPLATE)
    problems = section_problems(read_deploy_parameters(section), known)
    if problems:
        return Check(
            "samconfig", Outcome.FAILED, "; ".join(problems), f"edit [{section.environment}.deploy.parameters]"
        )
    region = section.region or "the Region of the AWS configuration"
    return Check("samconfig", Outcome.OK, f"section {section.environment}: stack {section.stack} in {region}")


def check_declarations(environment: str | None) -> Check:
    """Say whether contracts and pipelines are in order.

    Args:
        environment: where it is deployed; None: nowhere, and only what needs no AWS is looked at.
    """
    name = "contracts"
    declarations = load_declarations()
    findings: list[Finding]
    if environment is None:
        findings = examine(declarations, {})
    else:
        findings = examine_in(declarations, environment)
    counted = summary(declarations, findings)
    if not findings:
        return Check(name, Outcome.OK, counted)
    remedy = f"`alur validate{f' --env {environment}' if environment else ''}` names all of them"
    outcome = Outcome.FAILED if errors_of(findings) else Outcome.WARNING
    return Check(name, outcome, f"{counted}; {render(findings[0])}", remedy)


def check_document(check: Check) -> dict[str, str]:
    """Render a check for JSON.

    Args:
        check: which.
    """
    return {"name": check.name, "outcome": check.outcome.value, "what": check.what, "remedy": check.remedy}


def _section(deployment: Deployment) -> Section | Check:
    try:
        return deployment.section
    except DeploymentUnknown as error:
        return Check("samconfig", Outcome.FAILED, error.problem, "correct samconfig.toml, or name another --env")


def _stack(deployment: Deployment, section: Section) -> Stack | Check | None:
    try:
        return Stacks(deployment.client("cloudformation")).find(section.stack)
    except DeploymentUnknown as error:
        return Check("stack", Outcome.UNKNOWN, f"{section.stack}: {error.problem}")


def _wanted_vcpu(section: Section, stack: Stack | Check | None) -> int:
    deployed = stack.parameters.get("MaxVcpu") if isinstance(stack, Stack) else None
    configured = overrides_of(read_deploy_parameters(section)).get("MaxVcpu")
    wanted = configured or deployed or _DEFAULT_MAX_VCPU
    return int(wanted) if wanted.isdigit() else int(_DEFAULT_MAX_VCPU)


def _what_and_remedy(problem: str) -> tuple[str, str]:
    what, _, remedy = problem.partition(": ")
    return what, remedy


def _show(check: Check) -> None:
    click.echo(f"{_SIGNS[check.outcome]:<8} {check.name:<15} {check.what}")
    if check.remedy:
        click.echo(f"{'':<24} -> {check.remedy}")
