"""The stack as CloudFormation tells of it, for whoever looks an environment's outputs up by the name of its stack.

The resources exist already: the stack that moto is given has none, and its outputs are plain values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alur.local.template import Plan


def publish_stack(cloudformation: Any, plan: Plan, outputs: Mapping[str, str]) -> None:
    """Make DescribeStacks answer with the parameters and outputs of what has been deployed.

    Its stack id is one of moto's own, and not what `AWS::StackId` gave.

    Args:
        cloudformation: a boto3 client.
        plan: what was deployed.
        outputs: its outputs.
    """
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {name: {"Type": "String"} for name in plan.parameters},
        "Resources": {},
        "Outputs": {name: {**_description(plan.outputs[name]), "Value": value} for name, value in outputs.items()},
    }
    # What moto holds outlives a stack, and a process may have had one of this name before: deleting none is no error.
    cloudformation.delete_stack(StackName=plan.stack.name)
    cloudformation.create_stack(
        StackName=plan.stack.name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in plan.parameters.items()],
    )


def _description(output: Mapping[str, Any]) -> dict[str, str]:
    return {"Description": output["Description"]} if "Description" in output else {}
