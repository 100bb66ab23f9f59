"""Where an environment's things are: as given, by variables, or by the outputs of its stack.

Nothing is asked for before it is needed, and the stack is asked once: making a `Deployment` makes no call.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.aws.clients import client
from alur.errors import DeploymentUnknown

SAMCONFIG = "samconfig.toml"
"""The file that names each environment's stack and Region."""

VARIABLES: Mapping[str, str] = {
    "Environment": "ALUR_ENVIRONMENT",
    "StateTable": "ALUR_STATE_TABLE",
    "BatchesTable": "ALUR_BATCHES_TABLE",
    "Database": "ALUR_DATABASE",
    "LandingBucket": "ALUR_LANDING_BUCKET",
    "LakeBucket": "ALUR_LAKE_BUCKET",
    "ArtifactsBucket": "ALUR_ARTIFACTS_BUCKET",
    "ApplicationId": "ALUR_APPLICATION_ID",
    "JobRoleArn": "ALUR_JOB_ROLE_ARN",
    "ArchiveUri": "ALUR_ARCHIVE_URI",
    "EntryPointUri": "ALUR_ENTRY_POINT_URI",
    "MaxVcpu": "ALUR_MAX_VCPU",
    "MaxMemoryGb": "ALUR_MAX_MEMORY_GB",
    "MaxAttempts": "ALUR_MAX_ATTEMPTS",
    "EventIngestion": "ALUR_EVENT_INGESTION",
    "EventQueueUrl": "ALUR_EVENT_QUEUE_URL",
}
"""The stack's outputs that somebody may need, and the variable that names the same thing."""


@dataclass(frozen=True, slots=True)
class Section:
    """What a section of samconfig.toml says.

    Attributes:
        environment: the section's name.
        stack: the stack's name.
        region: the stack's Region; None: the environment says.
        file: where it stands.
    """

    environment: str
    stack: str
    region: str | None
    file: Path


def read_section(environment: str, directory: Path) -> Section:
    """Read an environment's section of the nearest samconfig.toml, from a directory upward.

    Args:
        environment: the section.
        directory: where to begin.

    Raises:
        DeploymentUnknown: there is no such file, or no such section, or it names no stack.
    """
    for folder in (directory, *directory.parents):
        file = folder / SAMCONFIG
        if file.is_file():
            break
    else:
        raise DeploymentUnknown(environment, f"there is no {SAMCONFIG} in {directory} or above it; go to the project")
    try:
        sections: Mapping[str, Any] = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise DeploymentUnknown(environment, f"{file} cannot be read: {error}") from error
    named = {name: section for name, section in sections.items() if isinstance(section, dict)}
    if environment not in named:
        raise DeploymentUnknown(environment, f"{file} has no section {environment}; it has {', '.join(sorted(named))}")
    parameters = named[environment].get("deploy", {}).get("parameters", {})
    if not parameters.get("stack_name"):
        raise DeploymentUnknown(environment, f"{file}: [{environment}.deploy.parameters] has no stack_name")
    return Section(environment, parameters["stack_name"], parameters.get("region"), file)


@dataclass(frozen=True)
class Deployment:
    """One environment's names, each found when it is asked for.

    A name is looked for in this order: what was given here; where `environment` was given, the outputs of its stack;
    the variables `ALUR_…` (`VARIABLES`); the outputs of the stack of the environment that `ALUR_ENV` names.

    Args:
        region: where it is; None: as the environment's section in samconfig.toml says, or else AWS_REGION.
        environment: a section of samconfig.toml.
        given: names by output, as `{"StateTable": "alur-ingestion-state"}`.
        variables: the process's environment.
        directory: where samconfig.toml is looked for, and upward.
        make_client: makes a boto3 client of a service in a Region.
    """

    region: str | None = None
    environment: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    directory: Path = field(default_factory=Path.cwd)
    make_client: Callable[[str, str | None], Any] = client

    def name(self, output: str) -> str:
        """Return the name of one thing.

        Args:
            output: what the template calls it, one of `VARIABLES`.

        Raises:
            DeploymentUnknown: nothing names it.
        """
        variable = VARIABLES[output]
        if self.given.get(output):
            return self.given[output]
        if self.environment is not None:
            return self._output(output)
        if self.variables.get(variable):
            return self.variables[variable]
        if self.variables.get("ALUR_ENV"):
            return self._output(output)
        raise DeploymentUnknown(
            output,
            f"nothing says which it is: give it as an argument, or set {variable}, or set ALUR_ENV to a section of "
            f"{SAMCONFIG} whose stack is deployed",
        )

    @property
    def section_name(self) -> str:
        """The environment's name, for messages and for what is called after it."""
        return self.environment or self.variables.get("ALUR_ENV") or self.name("Environment")

    @cached_property
    def section(self) -> Section:
        """The environment's section of samconfig.toml.

        Raises:
            DeploymentUnknown: there is none.
        """
        name = self.environment or self.variables.get("ALUR_ENV")
        if not name:
            raise DeploymentUnknown("environment", f"name one of {SAMCONFIG} with --env, or set ALUR_ENV")
        return read_section(name, self.directory)

    @property
    def region_name(self) -> str | None:
        """The Region; None: whatever the AWS profile says."""
        if self.region:
            return self.region
        by_variable = self.variables.get("AWS_REGION") or self.variables.get("AWS_DEFAULT_REGION")
        if self.environment is None and by_variable:
            return by_variable
        if self.environment or self.variables.get("ALUR_ENV"):
            try:
                return self.section.region or by_variable
            except DeploymentUnknown:
                if self.environment is not None:
                    raise
        return by_variable

    def client(self, service: str) -> Any:
        """Return a boto3 client in the deployment's Region.

        Raises:
            DeploymentUnknown: nothing says which Region, or the AWS profile cannot be used.
        """
        try:
            return self.make_client(service, self.region_name)
        except BotoCoreError as error:
            raise DeploymentUnknown(
                service, f"{error}: name the environment with --env, or set AWS_REGION and AWS_PROFILE"
            ) from error

    @property
    def contract_variables(self) -> dict[str, str]:
        """What `${…}` in a contract's globs may name."""
        return {"LandingBucket": self.name("LandingBucket")}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the environment's stack, asked for once.

        Raises:
            DeploymentUnknown: there is no such stack, or it may not be asked.
        """
        section = self.section
        try:
            answer = self.client("cloudformation").describe_stacks(StackName=section.stack)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            where = f"in {self.region_name or 'the default Region'}"
            if code == "ValidationError":
                raise DeploymentUnknown(
                    section.environment,
                    f"there is no stack {section.stack} {where}: `alur deploy --env {section.environment}`",
                ) from error
            raise DeploymentUnknown(
                section.environment, f"the stack {section.stack} {where} cannot be asked: {error}"
            ) from error
        except BotoCoreError as error:
            raise DeploymentUnknown(
                section.environment, f"AWS cannot be asked for the stack {section.stack}: {error}"
            ) from error
        stack = answer["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def _output(self, output: str) -> str:
        found = self.outputs.get(output)
        if not found:
            raise DeploymentUnknown(
                output,
                f"the stack {self.section.stack} has no such output; deploy this version of Alur: "
                f"`alur deploy --env {self.section.environment}`",
            )
        return found
