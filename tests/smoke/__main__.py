"""`make aws-smoke ENV=dev`, and with LOCAL=1 against the local stack."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

import click

from alur.aws.deployment import Deployment
from alur.clock import utc_now
from alur.local.paths import find_paths
from smoke.bench import Bench
from smoke.looks import Looks
from smoke.session import Session
from smoke.shell import Shell
from smoke.steps import plan


@click.command()
@click.option("--env", "environment", required=True, help="The environment: a section of samconfig.toml.")
@click.option("--local", "is_local", is_flag=True, help="Against the local stack, and not AWS.")
@click.option("--force", is_flag=True, help="Also where the table has files already; only this test's are compared.")
@click.option("--keep", is_flag=True, help="Destroy nothing.")
@click.option("--yes", is_flag=True, help="Destroy what was deployed without a question, if all was as expected.")
def main(environment: str, is_local: bool, force: bool, keep: bool, yes: bool) -> None:
    """Deploy, ingest, overwrite, kill, audit, destroy, and report. Exit code 1 where something is not as expected."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and not is_local:
        raise click.UsageError(f"AWS_ENDPOINT_URL is {endpoint}, and that is not AWS: unset it, or say LOCAL=1")
    paths = find_paths()
    smoke_id = f"{utc_now():%Y%m%dt%H%M%S}-{secrets.token_hex(2)}"
    folder = paths.root / ".alur" / "smoke" / smoke_id
    folder.mkdir(parents=True)
    bench = Bench(
        environment=environment,
        smoke_id=smoke_id,
        is_local=is_local,
        shell=Shell(paths.root, _variables(environment, paths.root, is_local), folder / "commands.log"),
        looks=Looks(environment),
        folder=folder,
        clock=utc_now,
        sleep=time.sleep,
        is_forced=force,
    )

    def may_destroy(is_as_expected: bool) -> bool:
        if keep:
            return False
        if is_local or (yes and is_as_expected):
            return True
        if yes or not sys.stdin.isatty():
            return False
        what = f"the stack {bench.looks.stack_name} with all of its data, which this test has deployed"
        how = "" if is_as_expected else " Something was not as expected, and its logs go too."
        return click.confirm(f"Destroy {what}?{how}", err=True)

    report = Session(bench, may_destroy).run(plan(is_local))
    text = report.render()
    file = folder / "report.md"
    file.write_text(text)
    click.echo(text)
    click.echo(f"report: {file}; what was typed and printed: {folder / 'commands.log'}", err=True)
    sys.exit(0 if report.is_as_expected else 1)


def _variables(environment: str, root: Path, is_local: bool) -> dict[str, str]:
    """The environment of the shell: `alur`, `sam` and `aws` of this checkout first, and the deployment's Region."""
    folders = [str(Path(sys.executable).parent), str(root / ".alur" / "tools" / "awscli" / "bin")]
    variables = {**os.environ, "PATH": os.pathsep.join([*folders, os.environ["PATH"]]), "AWS_PAGER": ""}
    region = None if is_local else Deployment(environment=environment).region_name
    return variables | ({"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {})


if __name__ == "__main__":
    main(prog_name="make aws-smoke")
