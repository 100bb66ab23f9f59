"""Clients: one for each service and process, configured by the environment alone."""

from __future__ import annotations

import pytest

from alur.aws.clients import client
from alur.local.environment import Endpoints


def test_a_client_is_made_once(aws_servers: Endpoints) -> None:
    assert client("s3") is client("s3")
    assert client("s3") is not client("dynamodb")


def test_endpoints_come_from_the_environment(aws_servers: Endpoints) -> None:
    assert client("s3").meta.endpoint_url == aws_servers.aws
    assert client("dynamodb").meta.endpoint_url == aws_servers.dynamodb


@pytest.mark.parametrize("service", ["s3", "dynamodb", "emr-serverless"])
def test_calls_are_repeated_a_limited_number_of_times_and_wait_a_limited_time(
    aws_servers: Endpoints, service: str
) -> None:
    config = client(service).meta.config
    assert config.retries["mode"] == "standard"
    assert 1 < config.retries["total_max_attempts"] <= 10
    assert config.connect_timeout <= 10
    assert config.read_timeout <= 60
