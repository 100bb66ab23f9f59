"""Whether what a stack has made is there and in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alur.aws.asking import Refusal, ask
from alur.aws.buckets import BucketState, bucket_state
from alur.aws.checks import Check, Outcome
from alur.aws.deployment import Deployment
from alur.aws.stacks import Stack, stack_state

_BUCKETS = ("LandingBucket", "LakeBucket", "ArtifactsBucket")
_TABLES = ("StateTable", "BatchesTable")
_READY_APPLICATION = frozenset({"CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED"})
_REDEPLOY = (
    "it was deleted beside CloudFormation: deploy a new environment, docs/deploying.md says how to take up the rest"
)


def check_stack(stack: Stack | None, name: str, environment: str) -> Check:
    """Say what state a stack is in.

    Args:
        stack: as CloudFormation has it; None: there is none.
        name: the stack's.
        environment: the section of samconfig.toml.
    """
    if stack is None:
        return Check("stack", Outcome.WARNING, f"{name} is not deployed", f"`alur deploy --env {environment}`")
    state = stack_state(stack.status, environment, stack.name)
    what = f"{stack.name} is {stack.status}: {state.meaning}" + (f" ({stack.reason})" if stack.reason else "")
    if state.is_healthy:
        return Check("stack", Outcome.OK, what, state.remedy)
    # While CloudFormation is at it, or where it goes on with what was there before, nothing has failed for good.
    outcome = Outcome.WARNING if state.takes_deploys or stack.status.endswith("_IN_PROGRESS") else Outcome.FAILED
    return Check("stack", outcome, what, state.remedy)


def check_deployed(deployment: Deployment, stack: Stack) -> Iterator[Check]:
    """Look at each thing that the stack has made and that must be there.

    Args:
        deployment: which.
        stack: as CloudFormation has it.
    """
    for output in _BUCKETS:
        yield _named(stack.outputs, output) or _bucket(deployment, output, stack.outputs[output])
    for output in _TABLES:
        yield _named(stack.outputs, output) or _table(deployment, output, stack.outputs[output])
    missing = _named(stack.outputs, "ApplicationId")
    yield missing or _application(deployment, stack.outputs["ApplicationId"])
    existing = stack.parameters.get("ExistingLandingBucket", "")
    if existing and stack.parameters.get("EventIngestion", "on") == "on":
        yield _events(deployment, existing)
    if stack.outputs.get("AlarmTopicArn"):
        yield _mail(deployment, stack.outputs["AlarmTopicArn"])


def _named(outputs: Mapping[str, str], output: str) -> Check | None:
    if outputs.get(output):
        return None
    return Check(output, Outcome.FAILED, "the stack has no such output", "deploy this version of Alur")


def _bucket(deployment: Deployment, output: str, bucket: str) -> Check:
    state, said = bucket_state(deployment.client("s3"), bucket)
    if state is BucketState.THERE:
        return Check(output, Outcome.OK, f"{bucket} is there")
    if state is BucketState.ABSENT:
        return Check(output, Outcome.FAILED, f"{bucket} is not there", _REDEPLOY)
    if state is BucketState.DENIED:
        return Check(
            output, Outcome.WARNING, f"{bucket} may not be looked at by you: {said}", "ask for s3:ListBucket on it"
        )
    return Check(output, Outcome.UNKNOWN, f"{bucket} could not be asked after: {said}")


def _table(deployment: Deployment, output: str, table: str) -> Check:
    answer = ask(lambda: deployment.client("dynamodb").describe_table(TableName=table)["Table"]["TableStatus"])
    if isinstance(answer, Refusal):
        if answer.code == "ResourceNotFoundException":
            return Check(output, Outcome.FAILED, f"{table} is not there", _REDEPLOY)
        return Check(output, Outcome.UNKNOWN, f"{table} could not be asked after: {answer}")
    if answer == "ACTIVE":
        return Check(output, Outcome.OK, f"{table} is ACTIVE")
    # An UPDATING table reads and writes; of a table that is encrypted by a key that is gone nothing can be had.
    outcome = Outcome.WARNING if answer == "UPDATING" else Outcome.FAILED
    return Check(
        output, outcome, f"{table} is {answer}", "wait until it is ACTIVE; if it stays so, look at its KMS key"
    )


def _application(deployment: Deployment, application: str) -> Check:
    name = "ApplicationId"
    answer = ask(lambda: deployment.client("emr-serverless").get_application(applicationId=application)["application"])
    if isinstance(answer, Refusal):
        if answer.code == "ResourceNotFoundException":
            return Check(name, Outcome.FAILED, f"{application} is not there", _REDEPLOY)
        return Check(name, Outcome.UNKNOWN, f"{application} could not be asked after: {answer}")
    details = f" ({answer['stateDetails']})" if answer.get("stateDetails") else ""
    what = f"{application} with {answer.get('releaseLabel', 'an unknown release')} is {answer['state']}{details}"
    if answer["state"] in _READY_APPLICATION:
        return Check(name, Outcome.OK, what)
    if answer["state"] == "TERMINATED":
        return Check(name, Outcome.FAILED, what, _REDEPLOY)
    return Check(name, Outcome.WARNING, what, "wait; it takes runs once it is CREATED")


def _events(deployment: Deployment, bucket: str) -> Check:
    name = "landing events"
    answer = ask(lambda: deployment.client("s3").get_bucket_notification_configuration(Bucket=bucket))
    if isinstance(answer, Refusal):
        return Check(name, Outcome.UNKNOWN, f"whether {bucket} tells EventBridge could not be asked: {answer}")
    if "EventBridgeConfiguration" in answer:
        return Check(name, Outcome.OK, f"{bucket} tells EventBridge of its objects")
    return Check(
        name,
        Outcome.FAILED,
        f"{bucket} does not tell EventBridge of its objects: no file is ingested when it lands",
        "switch its EventBridge notifications on: docs/deploying.md, A landing bucket that exists",
    )


def _mail(deployment: Deployment, topic: str) -> Check:
    name = "alarm mail"
    answer = ask(lambda: deployment.client("sns").list_subscriptions_by_topic(TopicArn=topic).get("Subscriptions", []))
    if isinstance(answer, Refusal):
        return Check(name, Outcome.UNKNOWN, f"who hears of alarms could not be asked: {answer}")
    confirmed = [one for one in answer if one["SubscriptionArn"].startswith("arn:")]
    if confirmed:
        return Check(name, Outcome.OK, f"alarms reach {', '.join(sorted(one['Endpoint'] for one in confirmed))}")
    if answer:
        waiting = ", ".join(sorted(one["Endpoint"] for one in answer))
        return Check(
            name,
            Outcome.WARNING,
            f"{waiting} has not confirmed, and hears of no alarm",
            "follow the link in SNS's mail",
        )
    return Check(name, Outcome.WARNING, "nobody hears of alarms", "set AlarmEmail in samconfig.toml and deploy")
