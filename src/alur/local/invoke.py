"""Call a built function once, under the runtime emulator, against the stack that runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from alur.errors import LocalStackError
from alur.local.children import Children
from alur.local.paths import Paths
from alur.local.runtime_emulator import Answer, runtime_emulator
from alur.local.state import StackState


def invoke_built(paths: Paths, state: StackState, logical_id: str, payload: str) -> Answer:
    """Call a function with an event, and end the emulator again.

    Args:
        paths: the checkout.
        state: the stack that runs.
        logical_id: the function's name in the template.
        payload: the event, JSON.

    Raises:
        LocalStackError: the deployment has no such function, nothing is built, or the emulator does not start.
    """
    name = state.outputs.get(logical_id, "")
    if name not in state.function_environments:
        raise LocalStackError("invoke", f"the deployment has no function {logical_id}")
    variables = {**state.function_environments[name], **state.variables}
    with tempfile.TemporaryDirectory() as scratch:
        children = Children(Path(scratch) / "children.json")
        with runtime_emulator(paths, logical_id, variables, children, Path(scratch)) as emulator:
            return emulator.invoke(payload)
