"""What the local stack shortens, and what of a user's environment it hands on."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from alur.faults import VARIABLE
from alur.local.children import Children
from alur.local.emr.configuration import Submission
from alur.local.emr.driver import SparkDriver, spark_home
from alur.local.emr.model import Run, RunRequest
from alur.local.environment import Endpoints, isolated_environment
from alur.local.functions import FunctionPlan, function_arn
from alur.local.resources import Deployer, Timings
from alur.local.template import StackIdentity, plan_template

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Sweeper:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/sweeper/
      Handler: app.handler
      Runtime: python3.11
      Timeout: 120
      MemorySize: 512
      Environment: {Variables: {LEASE: "300", NAME: sweeper}}
      Events:
        EveryMinute: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
"""
ENDPOINTS = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2")


class Recorded:
    """A function that is only planned."""

    def __init__(self, plan: FunctionPlan) -> None:
        self.plan = plan
        self.name, self.arn, self.environment = plan.name, function_arn(plan.name, plan.region), plan.variables

    def __call__(self, event):
        raise NotImplementedError

    def close(self):
        """Nothing is held."""


def deployed(tmp_path, timings: Timings):
    """The function's plan, and its rule."""
    no_client = pytest.fail
    plan = plan_template(TEMPLATE, {})
    environment = {"EVERYBODYS": "yes", "NAME": "nobody"}
    deployer = Deployer(no_client, plan, tmp_path, environment, tmp_path, timings, {"Sweeper": Recorded})
    deployment = deployer.deploy(lambda _: None)
    [function], [rule] = deployment.functions.values(), deployment.rules
    return function.plan, rule


def test_by_default_a_function_is_as_the_template_says(tmp_path):
    plan, rule = deployed(tmp_path, Timings())
    assert (plan.logical_id, plan.handler, plan.timeout_seconds, plan.memory_mb) == ("Sweeper", "app.handler", 120, 512)
    assert plan.directory == tmp_path / "functions" / "sweeper"
    assert plan.variables == {"EVERYBODYS": "yes", "LEASE": "300", "NAME": "sweeper"}
    assert rule.every_seconds == 60


def test_schedule_time_out_and_variables_can_be_replaced(tmp_path):
    timings = Timings(schedule_seconds=2, timeout_seconds=20, variables={"LEASE": "25", "BACKOFF": "1"})
    plan, rule = deployed(tmp_path, timings)
    assert rule.every_seconds == 2
    assert plan.timeout_seconds == 20
    assert plan.variables == {"EVERYBODYS": "yes", "NAME": "sweeper", "LEASE": "25", "BACKOFF": "1"}


def test_what_is_shorter_than_the_limit_stays(tmp_path):
    plan, rule = deployed(tmp_path, Timings(schedule_seconds=600, timeout_seconds=900))
    assert (rule.every_seconds, plan.timeout_seconds) == (60, 120)


@pytest.mark.parametrize("given", [{VARIABLE: "/faults"}, {}])
def test_faults_reach_functions_and_jobs_where_the_user_has_set_the_variable_and_only_there(tmp_path, given):
    user = {"PATH": os.environ["PATH"], "AWS_PROFILE": "production", **given}
    of_functions = isolated_environment(ENDPOINTS, user)
    of_jobs = driver_environment(tmp_path, user)
    assert of_functions.get(VARIABLE) == of_jobs.get(VARIABLE) == given.get(VARIABLE)
    assert "AWS_PROFILE" not in of_functions
    assert "AWS_PROFILE" not in of_jobs


def test_functions_and_their_names_are_in_the_region_of_the_stack(tmp_path):
    plan = plan_template(TEMPLATE, {}, StackIdentity("alur-dev", "ap-southeast-5"))
    deployer = Deployer(pytest.fail, plan, tmp_path, {}, tmp_path, Timings(), {"Sweeper": Recorded})
    [function] = deployer.deploy(lambda _: None).functions.values()
    assert (function.plan.name, function.plan.region) == ("alur-dev-Sweeper", "ap-southeast-5")


def test_clients_and_jobs_are_sent_to_the_region_of_the_stack(tmp_path):
    endpoints = Endpoints(ENDPOINTS.aws, ENDPOINTS.dynamodb, "ap-southeast-5")
    user = {"PATH": os.environ["PATH"], "AWS_REGION": "eu-central-1"}
    of_clients = isolated_environment(endpoints, user)
    of_jobs = driver_environment(tmp_path, user, endpoints)
    for environment in (of_clients, of_jobs):
        assert (environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]) == ("ap-southeast-5", "ap-southeast-5")


def driver_environment(tmp_path, user, endpoints=ENDPOINTS):
    """The environment of a run's spark-submit."""
    request = RunRequest("app", "emr-spark-8.1.0", "t", "role", None, "s3://b/main.py", (), "", {}, {}, 5, {})
    run = Run("run", "arn", request, datetime.now(UTC))
    children = Children(tmp_path / "children.json")
    driver = SparkDriver(endpoints, None, children, tmp_path, [], user, lambda _: None)
    return driver._driver_environment(run, Submission({}, {}, ()), spark_home())
