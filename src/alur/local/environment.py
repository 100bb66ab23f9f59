"""The environment by which any AWS client reaches the local stack, and nothing else does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

REGION = "us-east-1"
"""The Region of a stack whose section of samconfig.toml names none; moto and DynamoDB Local take any."""

ACCOUNT = "123456789012"
"""The account id that moto answers with."""

# What of the user's own environment would send a client elsewhere, or to another Region or account.
_FOREIGN_PREFIXES = ("AWS_",)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the servers listen.

    Args:
        aws: URL of moto's server: every service but DynamoDB.
        dynamodb: URL of DynamoDB Local.
        region: the Region that the stack is in.
    """

    aws: str
    dynamodb: str
    region: str = REGION


def client_variables(endpoints: Endpoints) -> dict[str, str]:
    """Return what to export so that boto3, the AWS CLI and the AWS SDK for Java reach the stack."""
    return {
        "AWS_ENDPOINT_URL": endpoints.aws,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoints.dynamodb,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": endpoints.region,
        "AWS_DEFAULT_REGION": endpoints.region,
    }


def isolated_environment(endpoints: Endpoints, base: Mapping[str, str]) -> dict[str, str]:
    """Return a whole environment in which only the local stack can be reached.

    The user's profiles and configuration files could name another endpoint or Region, so they are shut out.

    Args:
        endpoints: where the stack listens.
        base: the environment to begin with.
    """
    kept = {name: value for name, value in base.items() if not name.startswith(_FOREIGN_PREFIXES)}
    shut_out = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    # A proxy of the user's would be asked for 127.0.0.1.
    no_proxy = {name: _with_loopback(kept.get(name, "")) for name in ("NO_PROXY", "no_proxy")}
    return {**kept, **no_proxy, **shut_out, **client_variables(endpoints)}


def _with_loopback(listed: str) -> str:
    entries = [entry for entry in listed.split(",") if entry]
    return ",".join([*entries, *(host for host in ("127.0.0.1", "localhost") if host not in entries)])
