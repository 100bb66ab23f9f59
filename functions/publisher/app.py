"""A custom resource: the job's code into the artifacts bucket at deploy, the application to a stop before a delete."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from alur.aws.application_stop import ApplicationStopper
from alur.aws.capacity_share import divide_capacity
from alur.aws.clients import client
from alur.aws.code_archive import pack
from alur.aws.code_publisher import ENTRY_POINT_NAME, CodePublisher
from alur.aws.custom_resource import ResourceAnswer, ResourceRequest, send
from alur.errors import DeployError

PHYSICAL_ID = "alur-job-code"
"""Constant: if it changed, CloudFormation would delete the "old" resource after every update."""

_ANSWER_SECONDS = 50

logger = Logger()


def handler(event: dict[str, Any], context: Any) -> None:
    """Do what CloudFormation asks and answer, whatever happens: without an answer it waits until its time is up."""
    request = ResourceRequest.parse(event)
    physical_id = request.physical_id or PHYSICAL_ID
    try:
        attributes = _fulfil(request, context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS)
        answer = ResourceAnswer(physical_id, None, attributes)
    except Exception as error:
        # Of whatever kind it is: CloudFormation must hear the reason.
        logger.exception("failed", extra={"request_type": request.kind, "stack_id": request.stack_id})
        answer = ResourceAnswer(physical_id, f"{type(error).__name__}: {error}", {})
    send(request, answer)
    logger.info("answered", extra={"request_type": request.kind, "succeeded": answer.reason is None})


def _fulfil(request: ResourceRequest, time_left_seconds: float) -> Mapping[str, str]:
    if request.kind == "Delete":
        # A create that failed before it had its properties leaves nothing to stop.
        application_id = str(request.properties.get("ApplicationId", ""))
        if application_id:
            ApplicationStopper(client("emr-serverless")).stop(application_id, timeout_seconds=time_left_seconds)
        return {}
    if request.kind in ("Create", "Update"):
        return _publish(request)
    raise DeployError(request.logical_id, f"{request.kind!r} is no request of CloudFormation's")


def _publish(request: ResourceRequest) -> Mapping[str, str]:
    share = divide_capacity(request.whole("MaxVcpu"), request.whole("MaxMemoryGb"), request.whole("MaxConcurrentRuns"))
    layer = Path(os.environ.get("ALUR_LAYER_DIRECTORY", "/opt/python"))
    spark_app = Path(os.environ.get("ALUR_SPARK_APP_DIRECTORY", "/opt"))
    code = pack(layer, spark_app / ENTRY_POINT_NAME)
    publisher = CodePublisher(client("s3"), request.text("ArtifactsBucket"))
    published = publisher.publish(code)
    logger.info("published", extra={"archive_uri": published.archive_uri, "archive_bytes": len(code.archive)})
    try:
        superseded = publisher.supersede_others(code.digest)
        logger.info("superseded", extra={"digests": list(superseded)})
    except DeployError as error:
        # Old code stays a while longer: no reason to fail a deploy.
        logger.warning("old code could not be marked", extra={"reason": str(error)})
    return {
        "ArchiveUri": published.archive_uri,
        "EntryPointUri": published.entry_point_uri,
        "RunVcpu": str(share.vcpu),
        "RunMemoryGb": str(share.memory_gb),
    }
