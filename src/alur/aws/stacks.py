"""CloudFormation: an environment's stack, what it holds, and what may be done in the state that it is in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alur.aws.asking import Refusal, ask
from alur.errors import DeploymentUnknown

_DELETED = "DELETE_COMPLETE"
_RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})
# What the template retains, where the deployed one cannot be read: once transformed it is JSON, and should be readable.
_RETAINED_TYPES = frozenset({"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Glue::Database"})


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack.

    Attributes:
        name: its name.
        status: what CloudFormation calls its state, as `UPDATE_COMPLETE`.
        reason: why it is in that state, where CloudFormation says so.
        parameters: the values that it was deployed with.
        outputs: what it hands out.
        is_protected: its termination protection is on.
    """

    name: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    is_protected: bool


@dataclass(frozen=True, slots=True)
class StackResource:
    """One thing that a stack holds.

    Attributes:
        logical_id: its name in the template.
        physical_id: its name in AWS.
        type: as `AWS::S3::Bucket`.
        is_retained: it stays when the stack is deleted.
    """

    logical_id: str
    physical_id: str
    type: str
    is_retained: bool


@dataclass(frozen=True, slots=True)
class StackState:
    """What a stack's status means.

    Attributes:
        is_healthy: the last deploy went through.
        takes_deploys: a deploy can begin.
        meaning: in words.
        remedy: what to do, where something is to be done; `ENV` and `STACK` stand for the two names.
    """

    is_healthy: bool
    takes_deploys: bool
    meaning: str
    remedy: str = ""


_EVENTS = "`aws cloudformation describe-stack-events --stack-name STACK` says what failed first"
_STATES: Mapping[str, StackState] = {
    "CREATE_COMPLETE": StackState(True, True, "it is deployed"),
    "UPDATE_COMPLETE": StackState(True, True, "it is deployed"),
    "IMPORT_COMPLETE": StackState(True, True, "what was retained has been taken up", "`alur deploy --env ENV`"),
    "UPDATE_ROLLBACK_COMPLETE": StackState(
        False, True, "the last deploy failed, and what was there before it runs on", f"{_EVENTS}; then deploy again"
    ),
    "IMPORT_ROLLBACK_COMPLETE": StackState(False, True, "an import failed, and nothing was changed", _EVENTS),
    "IMPORT_ROLLBACK_FAILED": StackState(False, False, "an import failed, and so did its roll-back", _EVENTS),
    "REVIEW_IN_PROGRESS": StackState(
        False, True, "a change set was made and not carried out: nothing is deployed", "`alur deploy --env ENV`"
    ),
    "CREATE_FAILED": StackState(
        False, True, "the first deploy failed and was not rolled back", f"{_EVENTS}; then deploy again"
    ),
    "UPDATE_FAILED": StackState(
        False, True, "the last deploy failed and was not rolled back", f"{_EVENTS}; then deploy again"
    ),
    "ROLLBACK_COMPLETE": StackState(
        False,
        False,
        "the first deploy failed and was rolled back; such a stack can only be deleted",
        f"{_EVENTS}; then `alur destroy --env ENV` and `alur deploy --env ENV`",
    ),
    "ROLLBACK_FAILED": StackState(
        False,
        False,
        "the first deploy failed, and so did its roll-back; such a stack can only be deleted",
        f"{_EVENTS}; then `alur destroy --env ENV` and `alur deploy --env ENV`",
    ),
    "DELETE_FAILED": StackState(
        False, False, "a delete failed half way", f"{_EVENTS}; then `alur destroy --env ENV` again"
    ),
    "UPDATE_ROLLBACK_FAILED": StackState(
        False,
        False,
        "the last deploy failed, and so did its roll-back",
        f"{_EVENTS}; then `aws cloudformation continue-update-rollback --stack-name STACK`",
    ),
}


def stack_state(status: str, environment: str, stack: str) -> StackState:
    """Say what a status means.

    Args:
        status: CloudFormation's name of it.
        environment: the section of samconfig.toml, for the remedy.
        stack: the stack's name, for the remedy.
    """
    known = _STATES.get(status)
    if known is None and status.endswith("_IN_PROGRESS"):
        known = StackState(False, False, "CloudFormation is at it", "wait until it has ended")
    if known is None:
        # CloudFormation may have statuses that did not exist when this was written: let it say itself what it refuses.
        known = StackState(False, True, "what that means is not known here", _EVENTS)
    remedy = known.remedy.replace("STACK", stack).replace("ENV", environment)
    return StackState(known.is_healthy, known.takes_deploys, known.meaning, remedy)


class Stacks:
    """CloudFormation over a boto3 client.

    Every method raises `DeploymentUnknown` when CloudFormation cannot be asked.

    Args:
        client: a boto3 `cloudformation` client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def find(self, name: str) -> Stack | None:
        """Return a stack; None: there is none.

        Args:
            name: the stack's.
        """
        answer = ask(lambda: self._client.describe_stacks(StackName=name))
        if isinstance(answer, Refusal):
            if answer.code == "ValidationError" and "not exist" in answer.detail:
                return None
            raise _unanswered(name, answer)
        found = answer["Stacks"][0]
        if found["StackStatus"] == _DELETED:
            return None
        return Stack(
            name=found["StackName"],
            status=found["StackStatus"],
            reason=found.get("StackStatusReason", ""),
            parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", ())},
            outputs={one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())},
            is_protected=bool(found.get("EnableTerminationProtection", False)),
        )

    def resources(self, name: str) -> tuple[StackResource, ...]:
        """Return all that a stack holds, in CloudFormation's order.

        Args:
            name: the stack's.
        """
        policies = self._deletion_policies(name)
        pages = ask(lambda: list(self._client.get_paginator("list_stack_resources").paginate(StackName=name)))
        if isinstance(pages, Refusal):
            raise _unanswered(name, pages)
        return tuple(
            StackResource(
                one["LogicalResourceId"],
                one["PhysicalResourceId"],
                one["ResourceType"],
                _is_retained(policies, one["LogicalResourceId"], one["ResourceType"]),
            )
            for page in pages
            for one in page["StackResourceSummaries"]
            # One that was never made, or is gone already, has no name or says so.
            if one.get("PhysicalResourceId") and one["ResourceStatus"] != _DELETED
        )

    def _deletion_policies(self, name: str) -> Mapping[str, str] | None:
        """Return the deletion policy of each resource of the template that is deployed; None: it cannot be read."""
        answer = ask(lambda: self._client.get_template(StackName=name, TemplateStage="Processed"))
        if isinstance(answer, Refusal):
            raise _unanswered(name, answer)
        body = answer["TemplateBody"]
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except ValueError:
                return None
        resources: Mapping[str, Any] = body.get("Resources", {})
        return {logical_id: one.get("DeletionPolicy", "Delete") for logical_id, one in resources.items()}


def _is_retained(policies: Mapping[str, str] | None, logical_id: str, resource_type: str) -> bool:
    if policies is None:
        return resource_type in _RETAINED_TYPES
    return policies.get(logical_id, "Delete") in _RETAINED


def _unanswered(name: str, refusal: Refusal) -> DeploymentUnknown:
    return DeploymentUnknown(f"stack {name}", f"CloudFormation cannot be asked for it: {refusal}")
