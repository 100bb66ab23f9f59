"""The whole local stack: servers, deployment and what drives it, started in order and ended in the reverse one."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alur.aws.clients import client
from alur.clock import to_iso, utc_now
from alur.local.children import Children, end_orphans
from alur.local.class_archive import find_class_archive
from alur.local.cloudformation import publish_stack
from alur.local.dynamodb_server import dynamodb_server
from alur.local.emr.api import EmrServerlessApi
from alur.local.emr.driver import SparkDriver
from alur.local.emr.model import StateChange, to_event
from alur.local.emr.runs import Runs
from alur.local.environment import ACCOUNT, Endpoints, isolated_environment
from alur.local.functions import FunctionPlan
from alur.local.jars import jar_paths
from alur.local.layer import assemble_layer
from alur.local.log import log
from alur.local.moto_server import moto_server
from alur.local.paths import Paths
from alur.local.poller import Poller
from alur.local.resources import Deployer, MakeFunction, Timings
from alur.local.rules import Rules
from alur.local.runtime_emulator import EmulatedFunction
from alur.local.sandbox import SandboxedFunction
from alur.local.spark_conf import write_spark_conf
from alur.local.state import StackState, hold, state_file, without_names, write_state
from alur.local.template import Section, StackIdentity, plan_template, read_section

DEFAULT_SECTION = "default"
"""The section of samconfig.toml that is deployed where none is named."""

LOCAL_PARAMETERS = {
    "Environment": "local",
    "StateTableName": "alur-ingestion-state",
    "BatchesTableName": "alur-ingestion-batches",
    "LandingBucketName": "alur-landing-local",
    "LakeBucketName": "alur-lake-local",
    "ArtifactsBucketName": "alur-artifacts-local",
    "DatabaseName": "alur_local",
}
"""What the local stack sets over the section `default` of samconfig.toml: plain names, for a machine has one stack.

Any other section is taken as it is: the stack then is that environment, under its own names and in its Region.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How a stack is to be started.

    Args:
        parameters: template parameters over those of the section and, for `default`, of `LOCAL_PARAMETERS`.
        section: the section of samconfig.toml: the stack has its Region, its stack's name, and its parameters.
        slots: how many job runs go at once; few, so that queueing is seen.
        timings: what is shortened.
        port: port of the AWS endpoint; 0 takes a free one.
        dynamodb_port: port of DynamoDB; 0 takes a free one.
        emulated: logical ids of functions that run under the runtime emulator, as `sam build` made them.
        sandboxed: logical ids of functions that run in a process of their own, which may die, and has a time-out.
        announces_runs: whether a job run's change of state is an event; AWS promises its best effort, and no more.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    section: str = DEFAULT_SECTION
    slots: int = 2
    timings: Timings = field(default_factory=Timings)
    port: int = 0
    dynamodb_port: int = 0
    emulated: frozenset[str] = frozenset()
    sandboxed: frozenset[str] = frozenset()
    announces_runs: bool = True


@contextlib.contextmanager
def running_stack(
    paths: Paths, options: Options, say: Callable[[str], None], directory: Path | None = None
) -> Iterator[StackState]:
    """Run the stack in this process until the block ends; whatever was started is ended, also when a start fails.

    The process's own AWS variables point to the stack meanwhile.

    Args:
        paths: the checkout.
        options: how.
        say: told each step that takes time.
        directory: where the stack writes; `.alur/local` when None.

    Raises:
        LocalStackError: a stack runs already, something is missing, there is no such section, or a part does not start.
    """
    home = (directory or paths.local).resolve()
    section = read_section(paths.samconfig, options.section)
    with contextlib.ExitStack() as ending:
        ending.enter_context(contextlib.closing(hold(home)))
        registry = home / "children.json"
        for pid in end_orphans(registry):
            say(f"ended process {pid}, which an earlier stack had left behind")
        state_file(home).unlink(missing_ok=True)
        ending.callback(state_file(home).unlink, missing_ok=True)
        logs, runs_directory = home / "logs", home / "runs"
        spark_conf, spark_scratch = home / "spark-conf", home / "spark"
        for leftover in (logs, runs_directory, spark_conf, spark_scratch):
            shutil.rmtree(leftover, ignore_errors=True)
            leftover.mkdir(parents=True)

        children = Children(registry)
        ending.callback(registry.unlink, missing_ok=True)
        ending.callback(children.close)
        say("the servers start: moto, DynamoDB Local")
        user_environment = without_names(os.environ)
        aws = ending.enter_context(moto_server(options.port))
        dynamodb = ending.enter_context(
            dynamodb_server(paths, children, logs / "dynamodb.log", user_environment, options.dynamodb_port)
        )
        endpoints = Endpoints(aws, dynamodb, section.region)
        isolated = isolated_environment(endpoints, user_environment)
        ending.enter_context(_process_environment(isolated))

        rules: list[Rules] = []

        def announce(change: StateChange) -> None:
            log.info("run %s: %s", change.run_id, change.state)
            for part in rules if options.announces_runs else ():
                part.put(to_event(change, str(uuid.uuid4()), ACCOUNT, section.region))

        def run_arn(application_id: str, run_id: str) -> str:
            path = f"/applications/{application_id}/jobruns/{run_id}"
            return f"arn:aws:emr-serverless:{section.region}:{ACCOUNT}:{path}"

        driver = SparkDriver(
            endpoints,
            client("s3"),
            children,
            runs_directory,
            jar_paths(paths, "spark"),
            user_environment,
            lambda application_id: api.log_uri(application_id),
            find_class_archive(paths),
        )
        runs = Runs(driver, announce, options.slots, utc_now, lambda: uuid.uuid4().hex[:16], run_arn)
        ending.callback(runs.close)
        api = EmrServerlessApi(runs, ACCOUNT, section.region)
        ending.callback(api.install())

        say("the Lambda layer is put together from src/ and its pinned dependencies")
        layer = home / "layer"
        assemble_layer(paths, layer / "python")
        plan = plan_template(
            paths.template.read_text(),
            template_parameters(section, options.parameters),
            StackIdentity(section.stack_name, section.region),
        )
        # Where a layer lies is the machine's business; on Lambda it is /opt.
        places = {"ALUR_LAYER_DIRECTORY": str(layer / "python"), "ALUR_SPARK_APP_DIRECTORY": str(paths.spark_app)}

        def emulate(plan: FunctionPlan) -> EmulatedFunction:
            return EmulatedFunction(plan.name, paths, plan.logical_id, plan.variables, children, plan.log, plan.region)

        def sandbox(plan: FunctionPlan) -> SandboxedFunction:
            return SandboxedFunction(plan, layer / "python", children)

        elsewhere: dict[str, MakeFunction] = {
            **dict.fromkeys(options.emulated, emulate),
            **dict.fromkeys(options.sandboxed, sandbox),
        }
        deployer = Deployer(
            client,
            plan,
            paths.template.parent,
            {**isolated, **places},
            logs,
            options.timings,
            elsewhere,
        )
        say(f"{len(plan.resources)} resources of template.yaml are created, the job's code is published")
        deployment = deployer.deploy(lambda line: log.info("create %s", line))
        for function in deployment.functions.values():
            ending.callback(function.close)
        publish_stack(client("cloudformation"), plan, deployment.outputs)
        write_spark_conf(paths, endpoints, deployment.outputs, spark_conf, spark_scratch)

        rules.append(Rules(deployment.rules, utc_now, section.region))
        rules[0].start()
        ending.callback(rules[0].stop)
        for mapping, function in deployment.mappings:
            poller = Poller(mapping, client("sqs"), function)
            poller.start()
            ending.callback(poller.stop)

        state = StackState(
            os.getpid(),
            endpoints,
            deployment.outputs,
            {name: _own(function.environment, user_environment) for name, function in deployment.functions.items()},
            str(logs),
            to_iso(utc_now()),
            section.name,
            section.stack_name,
            str(spark_conf),
        )
        write_state(home, state)
        yield state


def template_parameters(section: Section, given: Mapping[str, str]) -> dict[str, str]:
    """Return the template parameters that a stack is deployed with; what none of them names the template derives.

    Args:
        section: the section of samconfig.toml.
        given: parameters over all others.
    """
    local = LOCAL_PARAMETERS if section.name == DEFAULT_SECTION else {}
    return {**section.parameters, **local, **given}


@contextlib.contextmanager
def _process_environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    # Clients of an earlier stack in this process would know its ports.
    client.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        client.cache_clear()


def _own(environment: Mapping[str, str], user_environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what the function has from the user's own environment: it is no business of the state file's."""
    return {name: value for name, value in environment.items() if user_environment.get(name) != value}
