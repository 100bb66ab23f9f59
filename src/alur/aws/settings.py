"""What the deployment tells its functions: names, places and limits, through environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alur.errors import SettingsError
from alur.ledger.retries import Retries


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a function, as `template.yaml` sets it.

    Attributes:
        environment: the deployment's name.
        state_table, batches_table: the ledger's two tables.
        database: the Glue database.
        landing_bucket, lake_bucket, artifacts_bucket: buckets.
        application_id: the EMR Serverless application.
        job_role_arn: the role that jobs run under.
        archive_uri, entry_point_uri: the job's code, under the hash of its content.
        max_vcpu, max_memory_gb: one run's share of the application's maximum capacity.
        max_runs_per_table: how many runs of one table may go at once.
        min_minutes_between_runs: how long a table rests between the starts of two runs.
        lease_seconds: how long a dispatcher may take for its claims; longer than its timeout.
        unsubmitted_seconds: how long a slot may be taken without a run; longer than a function's timeout.
        max_attempts: how often a file version is tried.
        backoff_seconds: the delay before the second try; each further one is twice as long.
        ingests_events: files are ingested when they land; else they wait for `alur run`.
        region: where all of it is.
    """

    environment: str
    state_table: str
    batches_table: str
    database: str
    landing_bucket: str
    lake_bucket: str
    artifacts_bucket: str
    application_id: str
    job_role_arn: str
    archive_uri: str
    entry_point_uri: str
    max_vcpu: int
    max_memory_gb: int
    max_runs_per_table: int
    min_minutes_between_runs: int
    lease_seconds: int
    unsubmitted_seconds: int
    max_attempts: int
    backoff_seconds: float
    ingests_events: bool
    region: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings from a process's environment.

        Args:
            env: `os.environ`, or a mapping like it.

        Raises:
            SettingsError: a variable is missing or is not a number.
        """
        return cls(
            environment=_text(env, "ALUR_ENVIRONMENT"),
            state_table=_text(env, "ALUR_STATE_TABLE"),
            batches_table=_text(env, "ALUR_BATCHES_TABLE"),
            database=_text(env, "ALUR_DATABASE"),
            landing_bucket=_text(env, "ALUR_LANDING_BUCKET"),
            lake_bucket=_text(env, "ALUR_LAKE_BUCKET"),
            artifacts_bucket=_text(env, "ALUR_ARTIFACTS_BUCKET"),
            application_id=_text(env, "ALUR_APPLICATION_ID"),
            job_role_arn=_text(env, "ALUR_JOB_ROLE_ARN"),
            archive_uri=_text(env, "ALUR_ARCHIVE_URI"),
            entry_point_uri=_text(env, "ALUR_ENTRY_POINT_URI"),
            max_vcpu=_whole(env, "ALUR_MAX_VCPU"),
            max_memory_gb=_whole(env, "ALUR_MAX_MEMORY_GB"),
            max_runs_per_table=_whole(env, "ALUR_MAX_RUNS_PER_TABLE"),
            min_minutes_between_runs=_whole(env, "ALUR_MIN_MINUTES_BETWEEN_RUNS"),
            lease_seconds=_whole(env, "ALUR_LEASE_SECONDS"),
            unsubmitted_seconds=_whole(env, "ALUR_UNSUBMITTED_SECONDS"),
            max_attempts=_whole(env, "ALUR_MAX_ATTEMPTS"),
            backoff_seconds=_number(env, "ALUR_BACKOFF_SECONDS"),
            ingests_events=_choice(env, "ALUR_EVENT_INGESTION", ("on", "off")) == "on",
            region=env.get("AWS_REGION") or _text(env, "AWS_DEFAULT_REGION"),
        )

    @property
    def retries(self) -> Retries:
        """The rule by which what failed is tried again."""
        return Retries(self.max_attempts, self.backoff_seconds)

    @property
    def variables(self) -> dict[str, str]:
        """What `${…}` in a contract's globs may name."""
        return {"LandingBucket": self.landing_bucket}


def _text(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise SettingsError(name, "not set; the template sets it on every function, by hand it must be exported")
    return value


def _whole(env: Mapping[str, str], name: str) -> int:
    value = _text(env, name)
    try:
        return int(value)
    except ValueError:
        raise SettingsError(name, f"{value!r} is not a whole number") from None


def _number(env: Mapping[str, str], name: str) -> float:
    value = _text(env, name)
    try:
        return float(value)
    except ValueError:
        raise SettingsError(name, f"{value!r} is not a number") from None


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = _text(env, name)
    if value not in choices:
        raise SettingsError(name, f"{value!r} is none of {', '.join(choices)}")
    return value
