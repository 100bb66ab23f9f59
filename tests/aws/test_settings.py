"""Settings: every variable is read, and what is missing or means nothing is named."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from alur.aws.settings import Settings
from alur.errors import SettingsError
from deployment_support import VARIABLES

NUMBERS = sorted(name for name, value in VARIABLES.items() if value.isdigit())
WHOLE = sorted(set(NUMBERS) - {"ALUR_BACKOFF_SECONDS"})


def test_every_setting_comes_from_its_variable() -> None:
    found = Settings.from_env(VARIABLES)
    for field in dataclasses.fields(Settings):
        if field.name == "ingests_events":
            continue
        name = "AWS_REGION" if field.name == "region" else f"ALUR_{field.name.upper()}"
        kind = typing.get_type_hints(Settings)[field.name]
        assert getattr(found, field.name) == kind(VARIABLES[name])


@pytest.mark.parametrize("name", sorted(set(VARIABLES) - {"AWS_REGION"}))
@pytest.mark.parametrize("missing", [None, ""])
def test_a_variable_that_is_missing_or_empty_is_named(name: str, missing: str | None) -> None:
    env = {key: value for key, value in VARIABLES.items() if key != name}
    if missing is not None:
        env[name] = missing
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(env)
    assert raised.value.name == name


@pytest.mark.parametrize(("value", "ingests"), [("on", True), ("off", False)])
def test_events_are_ingested_where_the_environment_says_so(value: str, ingests: bool) -> None:
    assert Settings.from_env({**VARIABLES, "ALUR_EVENT_INGESTION": value}).ingests_events is ingests


def test_a_switch_that_is_neither_on_nor_off_is_named() -> None:
    with pytest.raises(SettingsError, match="'yes' is none of on, off"):
        Settings.from_env({**VARIABLES, "ALUR_EVENT_INGESTION": "yes"})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_none_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match="'many'") as raised:
        Settings.from_env({**VARIABLES, name: "many"})
    assert raised.value.name == name


@pytest.mark.parametrize("name", WHOLE)
def test_a_number_that_must_be_whole_and_is_not_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match="whole number") as raised:
        Settings.from_env({**VARIABLES, name: "1.5"})
    assert raised.value.name == name


def test_the_rule_for_trying_again_comes_from_the_settings() -> None:
    found = Settings.from_env({**VARIABLES, "ALUR_BACKOFF_SECONDS": "0.25", "ALUR_MAX_ATTEMPTS": "7"}).retries
    assert (found.max_attempts, found.backoff_seconds) == (7, 0.25)


def test_the_region_may_come_by_its_older_name() -> None:
    env = {key: value for key, value in VARIABLES.items() if key != "AWS_REGION"}
    assert Settings.from_env({**env, "AWS_DEFAULT_REGION": "eu-central-1"}).region == "eu-central-1"
    with pytest.raises(SettingsError, match="AWS_DEFAULT_REGION"):
        Settings.from_env(env)


def test_globs_may_name_the_landing_bucket() -> None:
    assert Settings.from_env(VARIABLES).variables == {"LandingBucket": "landing"}
