"""Creates a template's resources in the local servers, and collects what the stack itself has to drive.

A type that is not known is an error; one that has no effect on one machine is listed as such. So a template that
grows cannot quietly deploy less here than on AWS.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alur.errors import LocalStackError
from alur.local.custom_resource import create_custom_resource
from alur.local.environment import ACCOUNT
from alur.local.functions import Function, FunctionPlan
from alur.local.intrinsics import Created
from alur.local.poller import QueueMapping
from alur.local.rules import Rule, parse_rate
from alur.local.template import Plan, Resource

_Number = TypeVar("_Number", int, float)

# Accepted, and nothing comes of them here: nobody is denied anything, and a call that failed is not repeated.
_WITHOUT_EFFECT = frozenset(
    {
        "AWS::S3::BucketPolicy",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventInvokeConfig",
    }
)

# A number that a parameter gives is text, and the API takes numbers only.
_WHOLE_IN_AN_ALARM = ("Period", "EvaluationPeriods", "DatapointsToAlarm")


@dataclass(frozen=True, slots=True)
class Timings:
    """How far the local stack shortens what takes minutes on AWS.

    Args:
        window_seconds: the longest batching window, whatever the template says.
        retry_seconds: after how long a message that failed comes back.
        schedule_seconds: the longest time between two events of a schedule; None: as the template says.
        timeout_seconds: the longest that a call of a function may take; None: as the template says.
        variables: what the functions' environment has in place of what the template says, or beside it.
    """

    window_seconds: float = 2.0
    retry_seconds: int = 5
    schedule_seconds: int | None = None
    timeout_seconds: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class AnyFunction(Protocol):
    """A function of the template, however it is called."""

    name: str
    arn: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""
        ...

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Call it; raises `FunctionFailed` when the handler did."""
        ...

    def close(self) -> None:
        """End what it holds."""
        ...


MakeFunction = Callable[[FunctionPlan], AnyFunction]
"""Makes a function that does not run in the stack's own process."""


@dataclass(slots=True)
class Deployment:
    """What has been created.

    Args:
        functions: by their names.
        mappings: queue and function.
        rules: rules that call functions.
        outputs: the template's outputs.
    """

    functions: dict[str, AnyFunction] = field(default_factory=dict)
    mappings: list[tuple[QueueMapping, AnyFunction]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)


class Deployer:
    """Creates resources one after the other.

    Args:
        client: returns a boto3 client of a service.
        plan: what to create.
        root: the directory that the template's code paths are relative to.
        function_environment: what every function's environment holds beside its own.
        log_directory: where functions log.
        timings: what is shortened.
        elsewhere: makes the functions that are not to run in this process, by logical id.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        plan: Plan,
        root: Path,
        function_environment: Mapping[str, str],
        log_directory: Path,
        timings: Timings,
        elsewhere: Mapping[str, MakeFunction],
    ) -> None:
        self._client = client
        self._plan = plan
        self._region = plan.stack.region
        self._root = root
        self._function_environment = function_environment
        self._log_directory = log_directory
        self._timings = timings
        self._elsewhere = elsewhere
        self._deployment = Deployment()
        self._create: dict[str, Callable[[str, dict[str, Any]], Created]] = {
            "AWS::S3::Bucket": self._bucket,
            "AWS::SQS::Queue": self._queue,
            "AWS::SQS::QueuePolicy": self._queue_policy,
            "AWS::DynamoDB::Table": self._table,
            "AWS::Glue::Database": self._database,
            "AWS::EMRServerless::Application": self._application,
            "AWS::IAM::Role": self._role,
            "AWS::Logs::LogGroup": self._log_group,
            "AWS::SNS::Topic": self._topic,
            "AWS::SNS::TopicPolicy": self._topic_policy,
            "AWS::SNS::Subscription": self._subscription,
            "AWS::CloudWatch::Alarm": self._alarm,
            "AWS::Lambda::Function": self._function,
            "AWS::Lambda::LayerVersion": self._layer,
            "AWS::Lambda::EventSourceMapping": self._mapping,
            "AWS::Events::Rule": self._rule,
        }

    def deploy(self, say: Callable[[str], None]) -> Deployment:
        """Create everything.

        Args:
            say: told each logical id before it is created.

        Raises:
            LocalStackError: a type or a property that the local stack does not know, or a creation that failed.
        """
        for resource in self._plan.resources:
            say(f"{resource.logical_id} ({resource.kind})")
            properties = self._plan.resolver.resolve(dict(resource.properties)) or {}
            try:
                created = self._one(resource, properties)
            except LocalStackError:
                raise
            except Exception as error:  # botocore's errors share no base that this room may import
                problem = f"{resource.kind} cannot be created: {type(error).__name__}: {error}"
                raise LocalStackError(resource.logical_id, problem) from error
            self._plan.resolver.add(resource.logical_id, created)
        for name, output in self._plan.outputs.items():
            if "Condition" not in output or self._plan.resolver.condition(output["Condition"]):
                self._deployment.outputs[name] = str(self._plan.resolver.resolve(output["Value"]))
        return self._deployment

    def _one(self, resource: Resource, properties: dict[str, Any]) -> Created:
        if resource.kind in _WITHOUT_EFFECT:
            return Created(self._generated_name(resource.logical_id))
        if resource.kind.startswith("Custom::") or resource.kind == "AWS::CloudFormation::CustomResource":
            function = self._function_of(properties["ServiceToken"])
            return create_custom_resource(function, resource.logical_id, resource.kind, properties, self._plan.stack)
        if resource.kind not in self._create:
            problem = f"the local stack does not know {resource.kind}; teach alur.local.resources what it does"
            raise LocalStackError(resource.logical_id, problem)
        return self._create[resource.kind](resource.logical_id, properties)

    def _bucket(self, logical_id: str, properties: dict[str, Any]) -> Created:
        s3 = self._client("s3")
        name = properties.get("BucketName") or self._generated_name(logical_id).lower()
        # S3 wants to be told every Region but its first one, and refuses to be told that.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        s3.create_bucket(Bucket=name, **({} if self._region == "us-east-1" else elsewhere))
        if (properties.get("VersioningConfiguration") or {}).get("Status") == "Enabled":
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        notification = _notification(properties.get("NotificationConfiguration") or {})
        if notification:
            s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=notification)
        domain = f"{name}.s3.{self._region}.amazonaws.com"
        return Created(name, {"Arn": f"arn:aws:s3:::{name}", "DomainName": domain, "RegionalDomainName": domain})

    def _queue(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("QueueName") or self._generated_name(logical_id)
        attributes = {
            attribute: json.dumps(value) if isinstance(value, Mapping) else _text(value)
            for attribute, value in properties.items()
            if attribute not in ("QueueName", "Tags")
        }
        url = self._client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Created(url, {"Arn": self._arn("sqs", name), "QueueName": name, "QueueUrl": url})

    def _queue_policy(self, logical_id: str, properties: dict[str, Any]) -> Created:
        for url in properties["Queues"]:
            policy = json.dumps(properties["PolicyDocument"])
            self._client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return Created(self._generated_name(logical_id))

    def _table(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("TableName") or self._generated_name(logical_id)
        request: dict[str, Any] = {
            "TableName": name,
            "AttributeDefinitions": properties["AttributeDefinitions"],
            "KeySchema": properties["KeySchema"],
            "BillingMode": properties.get("BillingMode", "PROVISIONED"),
        }
        for optional in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes", "ProvisionedThroughput"):
            if optional in properties:
                request[optional] = (
                    [_index(index) for index in properties[optional]] if "Ind" in optional else (properties[optional])
                )
        client = self._client("dynamodb")
        client.create_table(**request)
        return Created(name, {"Arn": self._arn("dynamodb", f"table/{name}")})

    def _database(self, logical_id: str, properties: dict[str, Any]) -> Created:
        wanted = dict(properties["DatabaseInput"])
        wanted.setdefault("Name", self._generated_name(logical_id).lower())
        self._client("glue").create_database(DatabaseInput=wanted)
        return Created(wanted["Name"])

    def _application(self, logical_id: str, properties: dict[str, Any]) -> Created:
        request: dict[str, Any] = {
            "name": properties.get("Name", self._generated_name(logical_id)),
            "releaseLabel": properties["ReleaseLabel"],
            "type": str(properties["Type"]).upper(),
            "clientToken": str(uuid.uuid4()),
        }
        for name, asked in (
            ("MaximumCapacity", "maximumCapacity"),
            ("AutoStartConfiguration", "autoStartConfiguration"),
            ("AutoStopConfiguration", "autoStopConfiguration"),
            ("MonitoringConfiguration", "monitoringConfiguration"),
            ("SchedulerConfiguration", "schedulerConfiguration"),
            ("Architecture", "architecture"),
        ):
            if name in properties:
                request[asked] = _typed(_lower_first(properties[name]))
        answer = self._client("emr-serverless").create_application(**request)
        return Created(answer["applicationId"], {"ApplicationId": answer["applicationId"], "Arn": answer["arn"]})

    def _role(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("RoleName") or self._generated_name(logical_id)
        return Created(name, {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "RoleId": f"AROA{logical_id.upper()}"})

    def _log_group(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("LogGroupName") or self._generated_name(logical_id)
        return Created(name, {"Arn": self._arn("logs", f"log-group:{name}:*")})

    def _topic(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("TopicName") or self._generated_name(logical_id)
        attributes = {key: str(properties[key]) for key in ("DisplayName", "KmsMasterKeyId") if key in properties}
        arn = self._client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
        return Created(arn, {"TopicArn": arn, "TopicName": name})

    def _topic_policy(self, logical_id: str, properties: dict[str, Any]) -> Created:
        policy = json.dumps(properties["PolicyDocument"])
        for arn in properties["Topics"]:
            self._client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        return Created(self._generated_name(logical_id))

    def _subscription(self, logical_id: str, properties: dict[str, Any]) -> Created:
        answer = self._client("sns").subscribe(
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties["Endpoint"],
            ReturnSubscriptionArn=True,
        )
        return Created(answer["SubscriptionArn"])

    def _alarm(self, logical_id: str, properties: dict[str, Any]) -> Created:
        # It can be looked at and set by hand, and never fires by itself: nobody measures anything here.
        name = properties.get("AlarmName") or self._generated_name(logical_id)
        whole = {key: int(properties[key]) for key in _WHOLE_IN_AN_ALARM if key in properties}
        self._client("cloudwatch").put_metric_alarm(
            **{**properties, **whole, "AlarmName": name, "Threshold": float(properties["Threshold"])}
        )
        return Created(name, {"Arn": self._arn("cloudwatch", f"alarm:{name}")})

    def _layer(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("LayerName") or logical_id
        arn = self._arn("lambda", f"layer:{name}:1")
        return Created(arn, {"LayerVersionArn": arn})

    def _function(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("FunctionName") or self._generated_name(logical_id)
        own = {key: _text(value) for key, value in properties.get("Environment", {}).get("Variables", {}).items()}
        own.update(self._timings.variables)
        plan = FunctionPlan(
            name,
            logical_id,
            self._root / self._plan.code[logical_id],
            properties["Handler"],
            {**self._function_environment, **own},
            _at_most(float(properties.get("Timeout", 3)), self._timings.timeout_seconds),
            int(properties.get("MemorySize", 128)),
            self._log_directory / f"{logical_id}.log",
            self._region,
        )
        function: AnyFunction
        if logical_id in self._elsewhere:
            function = self._elsewhere[logical_id](plan)
        else:
            function = Function(
                name,
                plan.directory,
                plan.handler,
                own,
                self._function_environment,
                plan.timeout_seconds,
                plan.memory_mb,
                plan.log,
                plan.region,
            )
        self._deployment.functions[name] = function
        return Created(name, {"Arn": function.arn})

    def _mapping(self, logical_id: str, properties: dict[str, Any]) -> Created:
        queue_name = str(properties["EventSourceArn"]).rsplit(":", 1)[-1]
        url = self._client("sqs").get_queue_url(QueueName=queue_name)["QueueUrl"]
        window = float(properties.get("MaximumBatchingWindowInSeconds", 0))
        mapping = QueueMapping(
            url,
            properties["EventSourceArn"],
            int(properties.get("BatchSize", 10)),
            min(window, self._timings.window_seconds),
            "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            self._timings.retry_seconds,
        )
        if properties.get("Enabled", True) not in (False, "false"):
            self._deployment.mappings.append((mapping, self._function_of(properties["FunctionName"])))
        return Created(str(uuid.uuid4()))

    def _rule(self, logical_id: str, properties: dict[str, Any]) -> Created:
        name = properties.get("Name") or self._generated_name(logical_id)
        arn = self._arn("events", f"rule/{name}")
        if properties.get("State", "ENABLED") != "ENABLED":
            return Created(name, {"Arn": arn})
        pattern, schedule = properties.get("EventPattern"), properties.get("ScheduleExpression")
        elsewhere = []
        for target in properties.get("Targets", []):
            if ":lambda:" not in target["Arn"]:
                elsewhere.append({"Id": target["Id"], "Arn": target["Arn"]})
                continue
            function = self._function_of(target["Arn"])
            constant = json.loads(target["Input"]) if "Input" in target else None
            every = _at_most(parse_rate(schedule), self._timings.schedule_seconds) if schedule else None
            self._deployment.rules.append(Rule(f"{name}-{target['Id']}", pattern, every, function, constant))
        if elsewhere:
            events = self._client("events")
            events.put_rule(Name=name, EventPattern=json.dumps(pattern), State="ENABLED")
            events.put_targets(Rule=name, Targets=elsewhere)
        return Created(name, {"Arn": arn})

    def _function_of(self, name_or_arn: str) -> AnyFunction:
        for name, function in self._deployment.functions.items():
            if name_or_arn in (name, function.arn):
                return function
        raise LocalStackError("template", f"there is no function {name_or_arn}")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self._region}:{ACCOUNT}:{resource}"

    def _generated_name(self, logical_id: str) -> str:
        # CloudFormation adds random characters; a machine has one local stack, so they would only be in the way.
        return f"{self._plan.stack.name}-{logical_id}"


def _at_most(number: _Number, limit: _Number | None) -> _Number:
    return number if limit is None else min(number, limit)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _index(properties: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")
    return {name: properties[name] for name in kept if name in properties}


def _lower_first(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name[:1].lower() + name[1:]: _lower_first(item) for name, item in value.items()}
    return value


def _typed(value: Any) -> Any:
    # A parameter is text also where it is a number, and CloudFormation converts it; the API takes numbers only.
    if isinstance(value, Mapping):
        return {
            name: int(item)
            if name.endswith(("Minutes", "Runs"))
            else item == "true"
            if item in ("true", "false")
            else (_typed(item))
            for name, item in value.items()
        }
    return value


def _notification(properties: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's NotificationConfiguration in the words of S3's API."""
    configuration: dict[str, Any] = {}
    for theirs, ours, target, arn in (
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ):
        for entry in properties.get(theirs, []):
            asked: dict[str, Any] = {arn: entry[target], "Events": [entry["Event"]]}
            rules = entry.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            if rules:
                asked["Filter"] = {"Key": {"FilterRules": [dict(rule) for rule in rules]}}
            configuration.setdefault(ours, []).append(asked)
    if properties.get("LambdaConfigurations"):
        raise LocalStackError("template", "the local stack does not know a bucket that calls a function directly")
    if "EventBridgeConfiguration" in properties:
        configuration["EventBridgeConfiguration"] = {}
    return configuration
