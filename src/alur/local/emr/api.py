"""The operations of moto's EMR Serverless that have to do with runs, over `Runs`.

moto's own have every run SUCCESS at once, ignore the client token and refuse labels of the `emr-spark-` line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.emrserverless.exceptions import ResourceNotFoundException, ValidationException
from moto.emrserverless.models import Application
from moto.emrserverless.responses import EMRServerlessResponse

from alur.local.emr.model import Run, RunRequest
from alur.local.emr.runs import Runs

_LABEL = re.compile(r"emr-(spark-)?\d+\.\d+\.\d+(-.+)?")
_DEFAULT_TIMEOUT_MINUTES = 720
_MINIMUM_TIMEOUT_MINUTES = 5


class EmrServerlessApi:
    """Puts the operations into moto, for as long as it is installed.

    Args:
        runs: the runs behind them.
        account: the account id.
        region: the Region.
    """

    def __init__(self, runs: Runs, account: str, region: str) -> None:
        self._runs = runs
        self._account = account
        self._region = region
        self._log_uris: dict[str, str] = {}

    def install(self) -> Callable[[], None]:
        """Replace moto's operations.

        Returns:
            A function that puts moto's own back.
        """
        operations = {
            "create_application": self._create_application,
            "start_job_run": self._start_job_run,
            "get_job_run": self._get_job_run,
            "cancel_job_run": self._cancel_job_run,
            "list_job_runs": self._list_job_runs,
        }
        originals = {name: getattr(EMRServerlessResponse, name) for name in operations}
        for name, operation in operations.items():
            setattr(EMRServerlessResponse, name, _as_method(operation))

        def uninstall() -> None:
            for name, original in originals.items():
                setattr(EMRServerlessResponse, name, original)

        return uninstall

    def log_uri(self, application_id: str) -> str | None:
        """Return where an application's monitoring configuration sends the drivers' logs, or None."""
        return self._log_uris.get(application_id)

    def _create_application(self, response: Any) -> ActionResult:
        asked = _parameters(response)
        label = str(asked.get("releaseLabel"))
        if not _LABEL.fullmatch(label):
            raise ValidationException(f"release label '{label}' does not exist")
        application = Application(
            name=asked.get("name", ""),
            release_label=label,
            application_type=str(asked.get("type", "")),
            client_token=asked.get("clientToken", ""),
            account_id=self._account,
            region_name=self._region,
            initial_capacity=asked.get("initialCapacity"),
            maximum_capacity=asked.get("maximumCapacity"),
            tags=asked.get("tags"),
            auto_start_configuration=asked.get("autoStartConfiguration"),
            auto_stop_configuration=asked.get("autoStopConfiguration"),
            network_configuration=asked.get("networkConfiguration"),
        )
        application.state = "CREATED"
        application.architecture = asked.get("architecture", "X86_64")
        monitoring = (asked.get("monitoringConfiguration") or {}).get("s3MonitoringConfiguration") or {}
        if monitoring.get("logUri"):
            self._log_uris[application.id] = monitoring["logUri"]
        response.emrserverless_backend.applications[application.id] = application
        return ActionResult({"applicationId": application.id, "name": application.name, "arn": application.arn})

    def _start_job_run(self, response: Any) -> ActionResult:
        asked = _parameters(response)
        application = self._application(response)
        if application.state == "TERMINATED":
            raise ValidationException(f"Application {application.id} is terminated. Cannot start job run.")
        timeout = asked.get("executionTimeoutMinutes")
        if timeout is not None and 0 < int(timeout) < _MINIMUM_TIMEOUT_MINUTES:
            raise ValidationException("RunTimeout must be at least 5 minutes.")
        spark = (asked.get("jobDriver") or {}).get("sparkSubmit")
        if not spark or not spark.get("entryPoint"):
            raise ValidationException("the local stack runs sparkSubmit jobs with an entryPoint only")
        application.state = "STARTED"
        request = RunRequest(
            application_id=application.id,
            release_label=application.release_label,
            client_token=asked["clientToken"],
            execution_role_arn=asked["executionRoleArn"],
            name=asked.get("name"),
            entry_point=spark["entryPoint"],
            arguments=tuple(spark.get("entryPointArguments") or ()),
            submit_parameters=spark.get("sparkSubmitParameters") or "",
            overrides=asked.get("configurationOverrides") or {},
            tags=asked.get("tags") or {},
            # 0 means: no limit (API reference, StartJobRun).
            timeout_minutes=_DEFAULT_TIMEOUT_MINUTES if timeout is None else int(timeout) or 10**9,
            raw=asked,
        )
        run = self._runs.start(request)
        return ActionResult({"applicationId": application.id, "jobRunId": run.run_id, "arn": run.arn})

    def _get_job_run(self, response: Any) -> ActionResult:
        asked = _parameters(response)
        run = self._runs.get(self._application(response).id, asked["jobRunId"])
        if run is None:
            raise ResourceNotFoundException(asked["jobRunId"], "JobRun")
        return ActionResult({"jobRun": _describe(run)})

    def _cancel_job_run(self, response: Any) -> ActionResult:
        asked = _parameters(response)
        run = self._runs.cancel(self._application(response).id, asked["jobRunId"])
        if run is None:
            raise ResourceNotFoundException(asked["jobRunId"], "JobRun")
        return ActionResult({"applicationId": run.request.application_id, "jobRunId": run.run_id})

    def _list_job_runs(self, response: Any) -> ActionResult:
        asked = _parameters(response)
        runs = self._runs.of_application(self._application(response).id)
        states = asked.get("states") or []
        after, before = _moment(asked.get("createdAtAfter")), _moment(asked.get("createdAtBefore"))
        chosen = [
            _summary(run)
            for run in runs
            if (not states or run.state in states)
            and (after is None or run.created_at > after)
            and (before is None or run.created_at < before)
        ]
        return PaginatedResult({"jobRuns": chosen})

    def _application(self, response: Any) -> Any:
        application_id = _parameters(response)["applicationId"]
        application = response.emrserverless_backend.applications.get(application_id)
        if application is None:
            raise ResourceNotFoundException(application_id, "Application")
        return application


def _as_method(operation: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    # moto calls a plain function of the class with the response as self; a bound method would not be given it.
    def method(response: Any) -> ActionResult:
        return operation(response)

    return method


def _parameters(response: Any) -> dict[str, Any]:
    # moto keeps them under changed names; the request's own are under original_dict().
    params = response._get_params()
    plain = params.original_dict() if hasattr(params, "original_dict") else dict(params)
    return {**plain, **response.uri_match.groupdict()} if hasattr(response.uri_match, "groupdict") else dict(plain)


def _moment(given: datetime | None) -> datetime | None:
    # What a request's query names is UTC, and moto parses it into a datetime that does not say so.
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given


def _summary(run: Run) -> dict[str, Any]:
    request = run.request
    return {
        "applicationId": request.application_id,
        "id": run.run_id,
        "name": request.name,
        "arn": run.arn,
        "createdBy": request.execution_role_arn,
        "createdAt": run.created_at,
        "updatedAt": run.updated_at,
        "executionRole": request.execution_role_arn,
        "state": run.state.value,
        "stateDetails": run.state_details,
        "releaseLabel": request.release_label,
        "type": "Spark",
    }


def _describe(run: Run) -> dict[str, Any]:
    request = run.request
    described: Mapping[str, Any] = {
        "applicationId": request.application_id,
        "jobRunId": run.run_id,
        "name": request.name,
        "arn": run.arn,
        "createdBy": request.execution_role_arn,
        "createdAt": run.created_at,
        "updatedAt": run.updated_at,
        "startedAt": run.started_at,
        "endedAt": run.ended_at,
        "executionRole": request.execution_role_arn,
        "state": run.state.value,
        "stateDetails": run.state_details,
        "releaseLabel": request.release_label,
        "jobDriver": request.raw["jobDriver"],
        "configurationOverrides": request.overrides or None,
        "tags": dict(request.tags),
        "executionTimeoutMinutes": request.timeout_minutes,
        "totalExecutionDurationSeconds": int((run.ended_at - run.started_at).total_seconds())
        if run.started_at and run.ended_at
        else None,
        "mode": "BATCH",
        "attempt": 1,
    }
    return {name: value for name, value in described.items() if value is not None}
