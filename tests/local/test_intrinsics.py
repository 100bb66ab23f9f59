from __future__ import annotations

import pytest

from alur.errors import LocalStackError
from alur.local.intrinsics import Created, Resolver

CONDITIONS = {
    "IsLocal": {"Fn::Equals": [{"Ref": "Environment"}, "local"]},
    "IsOther": {"Fn::Not": [{"Condition": "IsLocal"}]},
    "Both": {"Fn::And": [{"Condition": "IsLocal"}, {"Condition": "IsOther"}]},
    "Either": {"Fn::Or": [{"Condition": "IsLocal"}, {"Condition": "IsOther"}]},
}


@pytest.fixture
def resolver() -> Resolver:
    made = Resolver({"Environment": "local", "AWS::Region": "us-east-1", "Number": "60"}, CONDITIONS)
    made.add("Queue", Created("http://queue", {"Arn": "arn:queue"}))
    return made


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Environment"}, "local"),
        ({"Ref": "Queue"}, "http://queue"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue"),
        ({"Fn::GetAtt": "Queue.Arn"}, "arn:queue"),
        ({"Fn::Sub": "${Environment}/${Queue.Arn}/${!Literal}"}, "local/arn:queue/${Literal}"),
        ({"Fn::Sub": ["${Part}-${AWS::Region}", {"Part": {"Ref": "Number"}}]}, "60-us-east-1"),
        ({"Fn::If": ["IsLocal", "yes", {"Ref": "Nobody"}]}, "yes"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Number"}]]}, "a-60"),
        ({"Fn::Select": [1, {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
        (
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ),
    ],
)
def test_each_function_gives_what_cloudformation_gives(resolver: Resolver, value, resolved):
    assert resolver.resolve(value) == resolved


def test_what_is_no_value_leaves_mappings_and_lists(resolver: Resolver):
    nothing = {"Fn::If": ["IsOther", "x", {"Ref": "AWS::NoValue"}]}
    assert resolver.resolve({"a": nothing, "b": [nothing, 1]}) == {"b": [1]}


def test_conditions_combine(resolver: Resolver):
    assert [resolver.condition(name) for name in CONDITIONS] == [True, False, False, True]


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::ImportValue": "x"},
        {"Ref": "Nobody"},
        {"Fn::GetAtt": ["Queue", "Colour"]},
        {"Fn::Sub": "${Nobody}"},
        {"Fn::If": ["NoCondition", 1, 2]},
    ],
)
def test_what_is_unknown_is_an_error(resolver: Resolver, value):
    with pytest.raises(LocalStackError):
        resolver.resolve(value)


def test_references_are_those_of_the_branch_that_is_chosen(resolver: Resolver):
    value = {
        "a": {"Fn::If": ["IsLocal", {"Ref": "One"}, {"Ref": "Two"}]},
        "b": {"Fn::Sub": ["${Three.Arn}-${Part}", {"Part": {"Fn::GetAtt": ["Four", "Arn"]}}]},
    }
    assert resolver.references(value) == {"One", "Three", "Four"}
