"""What an account brings along before anything is deployed: who asks, where, how much Spark, and with which rights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from alur.aws.asking import Refusal, ask
from alur.aws.checks import Check, Outcome
from alur.aws.deployment import Deployment

VCPU_QUOTA = "L-D05C8A75"
"""The code of EMR Serverless's quota "Max concurrent vCPUs per account"."""

IAM_ALLOWED = "IAM_ALLOWED_PRINCIPALS"
"""What Lake Formation calls everybody whom IAM lets: while it has all rights on what is new, IAM alone decides."""

DEPLOY_ACTIONS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudwatch:PutMetricAlarm",
    "dynamodb:CreateTable",
    "emr-serverless:CreateApplication",
    "events:PutRule",
    "glue:CreateDatabase",
    "iam:CreateRole",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "lambda:CreateFunction",
    "lambda:PublishLayerVersion",
    "logs:CreateLogGroup",
    "s3:CreateBucket",
    "s3:PutObject",
    "sns:CreateTopic",
    "sqs:CreateQueue",
)
"""One action of each service that a deploy needs; who has these has hardly been denied the others."""

_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.+")
_USER_OR_ROLE = re.compile(r"arn:[^:]+:iam::\d+:(?:user|role)/.+")
_ROOT = re.compile(r"arn:[^:]+:iam::\d+:root")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        account: the account's number.
        arn: who.
    """

    account: str
    arn: str


def impatient_client(service: str, region: str | None = None) -> Any:
    """Return a boto3 client that does not try long: who asks how things are does not want to wait for it.

    Args:
        service: boto3's name of it.
        region: where; None: as the environment says.
    """
    make: Any = boto3.client
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=20)
    return make(service, config=config, region_name=region)


def check_credentials(deployment: Deployment) -> tuple[Check, Identity | None]:
    """Say who asks; None: AWS knows nobody, or cannot be reached, and there is no use in asking further.

    Args:
        deployment: which.
    """
    answer = ask(lambda: deployment.client("sts").get_caller_identity())
    if not isinstance(answer, Refusal):
        identity = Identity(answer["Account"], answer["Arn"])
        return Check("credentials", Outcome.OK, f"account {identity.account} as {identity.arn}"), identity
    if answer.code == "NoRegionError":
        remedy = "set AWS_REGION, or `region` in the environment's section of samconfig.toml"
    elif answer.is_unreachable:
        remedy = "check the network and AWS_ENDPOINT_URL; a local stack may have been stopped"
    else:
        remedy = "sign in: `aws sso login`, AWS_PROFILE, or new keys; `aws sts get-caller-identity` must answer"
    return Check("credentials", Outcome.FAILED, str(answer), remedy), None


def check_region(deployment: Deployment) -> Check:
    """Say whether the Region offers EMR Serverless.

    Args:
        deployment: which.
    """
    name = "Region"
    region = ask(lambda: deployment.client("emr-serverless").meta.region_name)
    if isinstance(region, Refusal):
        return Check(name, Outcome.FAILED, str(region), "set AWS_REGION, or `region` in samconfig.toml")
    answer = ask(lambda: deployment.client("emr-serverless").list_applications(maxResults=1))
    if not isinstance(answer, Refusal):
        return Check(name, Outcome.OK, f"{region} offers EMR Serverless; which releases, only a deploy tells")
    if answer.is_unreachable:
        return Check(
            name,
            Outcome.FAILED,
            f"EMR Serverless does not answer in {region}: {answer}",
            "take a Region that offers it: `region` in samconfig.toml",
        )
    return Check(name, Outcome.UNKNOWN, f"whether {region} offers EMR Serverless could not be asked: {answer}")


def check_quota(deployment: Deployment, wanted: int) -> Check:
    """Say whether the account's vCPU are enough for what the environment may take.

    Args:
        deployment: which.
        wanted: MaxVcpu.
    """
    name = "vCPU quota"
    answer = ask(
        lambda: deployment.client("service-quotas").get_service_quota(
            ServiceCode="emr-serverless", QuotaCode=VCPU_QUOTA
        )["Quota"]["Value"]
    )
    if isinstance(answer, Refusal):
        # Nor does AWS's published default help: new accounts have been given far less than it says.
        return Check(
            name,
            Outcome.UNKNOWN,
            f"{VCPU_QUOTA} could not be read ({answer}); a new account has 16, this environment takes up to {wanted}",
            "look at Service Quotas, EMR Serverless, in the console",
        )
    quota = int(answer)
    if quota >= wanted:
        return Check(name, Outcome.OK, f"{quota} for the whole account, of which this environment takes up to {wanted}")
    return Check(
        name,
        Outcome.WARNING,
        f"{quota} for the whole account, and this environment would take up to {wanted}: runs wait, or fail for want "
        "of executors",
        f"ask for more of {VCPU_QUOTA} in Service Quotas, or set MaxVcpu={quota}",
    )


def check_permissions(deployment: Deployment, identity: Identity) -> Check:
    """Say which of a deploy's actions IAM denies to the one who asks, as far as IAM can be asked for that.

    Args:
        deployment: which.
        identity: who asks.
    """
    name = "permissions"
    if _ROOT.fullmatch(identity.arn):
        return Check(name, Outcome.OK, "the account's root user may do everything", "use a role instead of it")
    principal = _principal(deployment, identity)
    if principal is None:
        return Check(name, Outcome.UNKNOWN, f"could not be checked: IAM simulates nobody like {identity.arn}")
    answer = ask(
        lambda: [
            result
            for page in deployment.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(PolicySourceArn=principal, ActionNames=list(DEPLOY_ACTIONS))
            for result in page["EvaluationResults"]
        ]
    )
    if isinstance(answer, Refusal):
        return Check(name, Outcome.UNKNOWN, f"could not be checked: {answer}")
    denied = sorted(result["EvalActionName"] for result in answer if result["EvalDecision"] != "allowed")
    if not denied:
        return Check(name, Outcome.OK, f"IAM allows {principal} all of {len(DEPLOY_ACTIONS)} actions of a deploy")
    # Not failed: what is allowed for some names only is denied here, where no name is asked for.
    return Check(
        name,
        Outcome.WARNING,
        f"IAM says that {principal} may not, or not with every resource: {', '.join(denied)}",
        "grant them, or let somebody deploy who has them; operating needs none of these",
    )


def check_lake_formation(deployment: Deployment) -> Check:
    """Say whether IAM alone decides who may use the tables.

    Args:
        deployment: which.
    """
    name = "Lake Formation"
    answer = ask(lambda: deployment.client("lakeformation").get_data_lake_settings()["DataLakeSettings"])
    if isinstance(answer, Refusal):
        return Check(name, Outcome.UNKNOWN, f"could not be checked: {answer}")
    defaults = [
        *answer.get("CreateDatabaseDefaultPermissions", ()),
        *answer.get("CreateTableDefaultPermissions", ()),
    ]
    principals = [one.get("Principal", {}).get("DataLakePrincipalIdentifier") for one in defaults]
    # Once for databases, once for tables.
    if principals.count(IAM_ALLOWED) == 2:
        return Check(name, Outcome.OK, "IAM alone decides about new databases and tables")
    return Check(
        name,
        Outcome.WARNING,
        "IAM alone does not decide about new databases and tables: the job may be denied the database",
        "grant the job's role its permissions: docs/deploying.md, Lake Formation",
    )


def _principal(deployment: Deployment, identity: Identity) -> str | None:
    """Return the user or role whose policies count; None: there is none that IAM could simulate."""
    if _USER_OR_ROLE.fullmatch(identity.arn):
        return identity.arn
    assumed = _ASSUMED_ROLE.fullmatch(identity.arn)
    if assumed is None:
        return None
    # The session's ARN leaves out the role's path.
    answer = ask(partial(_role_arn, deployment, assumed["role"]))
    if isinstance(answer, Refusal):
        return f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{assumed['role']}"
    return str(answer)


def _role_arn(deployment: Deployment, role: str) -> Any:
    return deployment.client("iam").get_role(RoleName=role)["Role"]["Arn"]
