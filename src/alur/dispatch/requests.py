"""The request of a run: what StartJobRun is sent, whatever the run is to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alur.dispatch.sizing import Workers, render_spark_submit_parameters, spark_configuration

RUN_TIMEOUT_MINUTES = 360
"""EMR's own default of 720 keeps a hung run, and its slot, for half a day."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where runs go and what they are made of.

    Attributes:
        environment: the environment's name.
        region: where it is.
        job_role_arn: the role of the runs.
        entry_point_uri, archive_uri: the code, in S3.
        lake_bucket: the bucket of the warehouse.
        artifacts_bucket: the bucket of the logs.
    """

    environment: str
    region: str
    job_role_arn: str
    entry_point_uri: str
    archive_uri: str
    lake_bucket: str
    artifacts_bucket: str


def job_request(platform: Platform, subject: str, arguments: Sequence[str], workers: Workers) -> dict[str, Any]:
    """Render StartJobRun's arguments, all but the application and the client token.

    Args:
        platform: where it goes.
        subject: what it is about; part of the run's name.
        arguments: the entry point's.
        workers: the sizes.

    Raises:
        SettingsError: a name cannot be said in `sparkSubmitParameters`.
    """
    configuration = spark_configuration(
        workers,
        archive_uri=platform.archive_uri,
        warehouse_uri=f"s3://{platform.lake_bucket}/warehouse",
        environment={"AWS_REGION": platform.region, "AWS_DEFAULT_REGION": platform.region},
    )
    return {
        "name": f"alur-{platform.environment}-{subject}"[:256],
        "executionRoleArn": platform.job_role_arn,
        "executionTimeoutMinutes": RUN_TIMEOUT_MINUTES,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": platform.entry_point_uri,
                "entryPointArguments": list(arguments),
                "sparkSubmitParameters": render_spark_submit_parameters(configuration),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": f"s3://{platform.artifacts_bucket}/logs/"}
            }
        },
    }
