"""boto3 clients, all made in one place.

Region, credentials and endpoints come from the environment, as for every AWS tool: nothing here knows whether it
talks to AWS or to the local stack.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=32,
)


@cache
def client(service: str, region: str | None = None) -> Any:
    """Return this process's boto3 client for a service.

    Args:
        service: boto3's name of it: `s3`, `dynamodb`, `emr-serverless`.
        region: where; None: as the environment says.
    """
    # Its stubs hold an overload for each of some 400 services, none of which fits a name that is a variable.
    make: Any = boto3.client
    return make(service, config=_CONFIG, region_name=region)


@cache
def resource(service: str, region: str | None = None) -> Any:
    """Return this process's boto3 resource for a service.

    Args:
        service: boto3's name of it: `dynamodb`.
        region: where; None: as the environment says.
    """
    make: Any = boto3.resource
    return make(service, config=_CONFIG, region_name=region)
