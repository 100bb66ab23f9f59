"""What the dispatcher's events say, over every sample in events/ and over what no sample shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alur.dispatch.events import Delivery, Ignored, Malformed, ObjectCreated, parse
from alur.errors import MalformedEvent

EVENTS = Path(__file__).parents[2] / "events"
GOOD, EDGE = "orders/good_orders.csv", "orders/edge_cases.csv"
DAYS = [f"flights/2013/01/flights_2013-01-0{day}.csv" for day in (1, 2, 3)]
MESSAGE = "059f36b4-87a3-44ab-83d2-661975830a0"

# Of each sample: its deliveries, each with the message's number (None without a queue) and what its records are:
# a created object's key, or "ignored" or "malformed".
SAMPLES = {
    "s3_put.json": [(None, [GOOD])],
    "sqs_s3_put.json": [(0, [GOOD])],
    "sqs_s3_put_many.json": [(0, [GOOD, EDGE]), (1, [DAYS[0]]), (2, [DAYS[1]]), (3, [DAYS[0]])],
    "sqs_sns_s3_put.json": [(0, [GOOD])],
    "eventbridge_object_created.json": [(None, [GOOD])],
    "sqs_eventbridge_object_created.json": [(0, ["orders/2026/red+flower 100%25.csv"])],
    "eventbridge_object_deleted.json": [(None, ["ignored"])],
    "sqs_s3_multipart_completed.json": [(0, ["flights/2013/flights.csv"])],
    "sqs_s3_copy.json": [(0, ["orders/archive/good_orders.csv"])],
    "sqs_s3_test_event.json": [(0, ["ignored"])],
    "sqs_s3_deleted.json": [(0, ["ignored"])],
    "sqs_s3_hard_keys.json": [
        (0, ["orders/Januar 2026/Aufträge 50% + Rest.csv", "orders/a%20b/100%25+1.csv", "orders/注文 №7.csv"])
    ],
    "sqs_malformed_among_good.json": [
        (0, [GOOD]),
        (1, ["malformed", EDGE]),
        (2, ["malformed"]),
        (3, [DAYS[2]]),
    ],
}


def sample(name: str) -> dict:
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


def outline(delivery: Delivery) -> list[str]:
    return [
        record.key if isinstance(record, ObjectCreated) else "ignored" if isinstance(record, Ignored) else "malformed"
        for record in delivery.records
    ]


def s3_record(**changes) -> dict:
    """A record of a notification; `changes` replace parts of it, named by their path, and None removes one."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-01-23T10:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": "landing"},
            "object": {"key": "orders/a.csv", "size": 3, "eTag": "abc", "sequencer": "0a"},
        },
    }
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = record
        for parent in parents:
            place = place[parent]
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    return record


def notification(*records) -> dict:
    return {"Records": list(records)}


def in_sqs(*bodies) -> dict:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies)
        ]
    }


def in_sns(document) -> dict:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": json.dumps(document)}


def eventbridge(**changes) -> dict:
    event = {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-01-23T10:00:00Z",
        "detail": {
            "bucket": {"name": "landing"},
            "object": {"key": "orders/a+b%20.csv", "size": 3, "etag": "abc", "version-id": "v1", "sequencer": "0a"},
            "reason": "PutObject",
        },
    }
    event.update(changes)
    return event


def only(event) -> ObjectCreated | Ignored | Malformed:
    (delivery,) = parse(event).deliveries
    (record,) = delivery.records
    return record


def problem(event) -> str:
    record = only(event)
    assert isinstance(record, Malformed)
    return record.error.problem


@pytest.mark.parametrize("name", sorted(path.name for path in EVENTS.glob("*.json")))
def test_a_sample_event_holds_what_the_table_says(name):
    expected = [(None if number is None else f"{MESSAGE}{number}", outlined) for number, outlined in SAMPLES[name]]
    assert [(delivery.message_id, outline(delivery)) for delivery in parse(sample(name)).deliveries] == expected


def test_no_sample_of_the_table_is_missing():
    assert sorted(SAMPLES) == sorted(path.name for path in EVENTS.glob("*.json"))


def test_a_created_object_is_read_whole():
    assert only(sample("sqs_s3_put.json")) == ObjectCreated(
        bucket="alur-landing-local",
        key=GOOD,
        etag="5f27876f03e97aa2ec0dc862615cd14a",
        size_bytes=8231,
        version_id=None,
        sequencer="0065AF8E401A2B3C01",
        event_at=datetime(2026, 1, 23, 10, 0, 0, 123000, tzinfo=UTC),
        event_name="ObjectCreated:Put",
    )


def test_an_eventbridge_event_says_the_same_with_its_own_names():
    assert only(eventbridge()) == ObjectCreated(
        bucket="landing",
        key="orders/a+b%20.csv",
        etag="abc",
        size_bytes=3,
        version_id="v1",
        sequencer="0A",
        event_at=datetime(2026, 1, 23, 10, tzinfo=UTC),
        event_name="ObjectCreated:PutObject",
    )


def test_the_samples_of_the_orders_files_name_their_true_sizes():
    by_key = {created.key: created for name in SAMPLES for created in parse(sample(name)).created}
    for key in (GOOD, EDGE):
        assert by_key[key].size_bytes == (EVENTS.parent / "examples" / key).stat().st_size


class TestEnvelopes:
    def test_each_way_brings_the_same_object(self):
        plain = notification(s3_record())
        expected = only(plain)
        assert isinstance(expected, ObjectCreated)
        assert only(in_sqs(plain)) == expected
        assert only(in_sqs(in_sns(plain))) == expected
        assert only({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(plain)}}]}) == expected

    def test_an_eventbridge_event_comes_through_queue_and_topic_too(self):
        expected = only(eventbridge())
        assert only(in_sqs(eventbridge())) == expected
        assert only(in_sqs(in_sns(eventbridge()))) == expected

    def test_the_test_event_is_ignored_by_every_way(self):
        event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}
        for way in (event, in_sqs(event), in_sqs(in_sns(event))):
            assert isinstance(only(way), Ignored)

    def test_an_event_without_records_holds_nothing(self):
        assert parse({"Records": []}).created == ()

    def test_a_message_without_an_id_has_none(self):
        (delivery,) = parse({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}).deliveries
        assert delivery.message_id is None
        assert delivery.is_malformed

    def test_duplicates_are_kept(self):
        intake = parse(in_sqs(notification(s3_record(), s3_record()), notification(s3_record())))
        assert len(intake.created) == 3

    def test_records_that_came_straight_are_one_delivery(self):
        (delivery,) = parse(notification(s3_record(), s3_record(eventVersion="3.0"))).deliveries
        assert delivery.message_id is None
        assert outline(delivery) == ["orders/a.csv", "malformed"]
        assert delivery.is_malformed

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("no json", "body is not JSON"),
            ("", "body is not JSON"),
            ("[" * 100_000, "body is not JSON"),
            ("3", "this is a number"),
            ("null", "this is missing"),
            ("[]", "this is a list"),
            ("{}", "it holds nothing"),
            ('{"b": 1, "a": 2}', "it holds a, b"),
            ('{"Records": []}', "no shape of an S3 event"),
            ('{"Records": {}}', "no shape of an S3 event"),
            ('{"Records": [3]}', "a record is an object, this is a number"),
            ('{"Type": "Notification", "TopicArn": "t"}', "Message is missing"),
            ('{"Type": "Notification", "TopicArn": "t", "Message": "x"}', "Message is not JSON"),
            ('{"Type": "Notification", "TopicArn": "t", "Message": "[]"}', "Message is a list"),
            ('{"Type": "SubscriptionConfirmation", "TopicArn": "t", "Token": "x"}', "it holds Token, TopicArn, Type"),
        ],
    )
    def test_a_message_that_is_no_event_is_malformed_alone(self, body, expected):
        first, second = parse(in_sqs(body, notification(s3_record()))).deliveries
        (record,) = first.records
        assert isinstance(record, Malformed)
        assert expected in record.error.problem
        assert not second.is_malformed

    def test_an_envelope_in_an_envelope_is_malformed(self):
        assert "inside" in problem(in_sqs(in_sns(in_sns(notification(s3_record())))))

    def test_a_message_without_a_body_is_malformed(self):
        assert problem({"Records": [{"eventSource": "aws:sqs", "messageId": "m"}]}) == "body is missing"

    @pytest.mark.parametrize("event", [None, [], 3, "text", {}, {"Records": None}, {"action": "warm"}])
    def test_an_invocation_that_is_no_event_is_malformed(self, event):
        assert problem(event)


class TestRecords:
    @pytest.mark.parametrize(
        "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put", "ObjectRestore:Post"]
    )
    def test_what_creates_no_object_is_ignored_even_without_etag_and_size(self, name):
        record = s3_record(eventName=name, s3__object__eTag=None, s3__object__size=None)
        ignored = only(notification(record))
        assert isinstance(ignored, Ignored)
        assert name in ignored.reason

    @pytest.mark.parametrize("detail_type", ["Object Deleted", "Object Tags Added", "Object Restore Completed"])
    def test_what_creates_no_object_is_ignored_from_eventbridge(self, detail_type):
        assert isinstance(only(eventbridge(**{"detail-type": detail_type, "detail": {}})), Ignored)

    @pytest.mark.parametrize("version", ["2.0", "2.1", "2.6", "2.17"])
    def test_any_minor_version_is_read(self, version):
        assert isinstance(only(notification(s3_record(eventVersion=version))), ObjectCreated)

    def test_fields_that_are_not_known_do_no_harm(self):
        record = s3_record(awsNewThing={"a": 1}, s3__object__checksum="x")
        assert isinstance(only(notification(record)), ObjectCreated)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"eventVersion": "3.0"}, "only 2.x is known"),
            ({"eventVersion": "22.1"}, "only 2.x is known"),
            ({"eventVersion": None}, "eventVersion is missing"),
            ({"eventSource": "aws:other"}, "not 'aws:s3'"),
            ({"eventSource": None}, "not 'aws:s3'"),
            ({"eventName": None}, "eventName is missing"),
            ({"eventName": 3}, "eventName is a number, not a text"),
            ({"eventTime": None}, "eventTime is None"),
            ({"eventTime": "yesterday"}, "eventTime is 'yesterday'"),
            ({"eventTime": "2026-01-23T10:00:00"}, "not a time with its zone"),
            ({"eventTime": "0001-01-01T00:00:00+14:00"}, "not a time with its zone"),
            ({"s3": None}, "s3 is missing"),
            ({"s3": []}, "s3 is a list"),
            ({"s3__bucket": None}, "bucket is missing"),
            ({"s3__bucket__name": ""}, "name is missing"),
            ({"s3__object": None}, "object is missing"),
            ({"s3__object__key": None}, "key is missing"),
            ({"s3__object__key": 3}, "key is a number"),
            ({"s3__object__key": "a%FF.csv"}, "not UTF-8"),
            ({"s3__object__key": "a\ud800.csv"}, "not Unicode text"),
            ({"s3__object__eTag": None}, "eTag is missing"),
            ({"s3__object__eTag": '""'}, "eTag is empty"),
            ({"s3__object__size": None}, "size is None"),
            ({"s3__object__size": "3"}, "size is '3'"),
            ({"s3__object__size": -1}, "size is -1"),
            ({"s3__object__size": 3.5}, "size is 3.5"),
            ({"s3__object__size": True}, "size is True"),
            ({"s3__object__sequencer": 3}, "sequencer is a number"),
            ({"s3__object__versionId": {}}, "versionId is an object"),
        ],
    )
    def test_a_record_that_breaks_the_documented_shape_is_malformed_alone(self, changes, expected):
        intake = parse(notification(s3_record(), s3_record(**changes), s3_record()))
        first, second, third = intake.deliveries[0].records
        assert isinstance(second, Malformed)
        assert expected in second.error.problem
        assert isinstance(second.error, MalformedEvent)
        assert isinstance(first, ObjectCreated)
        assert isinstance(third, ObjectCreated)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"source": "custom.app"}, "not 'aws.s3'"),
            ({"detail": None}, "detail is missing"),
            ({"detail-type": 3}, "detail-type is a number"),
            ({"time": None}, "time is None"),
            ({"time": float("inf")}, "time is inf"),
            ({"time": 1e300}, "time is 1e+300"),
        ],
    )
    def test_an_eventbridge_event_that_breaks_the_documented_shape_is_malformed(self, changes, expected):
        assert expected in problem(eventbridge(**changes))

    @pytest.mark.parametrize(
        ("encoded", "key"),
        [
            ("red+flower.jpg", "red flower.jpg"),
            ("a%2Bb", "a+b"),
            ("a%252Bb", "a%2Bb"),
            ("a%2520b", "a%20b"),
            ("orders%2Fa.csv", "orders/a.csv"),
            ("%E6%B3%A8%E6%96%87", "注文"),
            ("ä", "ä"),
            ("100%", "100%"),
        ],
    )
    def test_a_notification_s_key_is_decoded_once(self, encoded, key):
        assert only(notification(s3_record(s3__object__key=encoded))).key == key

    def test_quotes_around_an_etag_are_taken_off_and_nothing_else_is_changed(self):
        assert only(notification(s3_record(s3__object__eTag='"AbC-4"'))).etag == "AbC-4"
        record = s3_record(s3__object__eTag=None, s3__object__etag="low")
        assert only(notification(record)).etag == "low"

    def test_a_sequencer_is_written_in_capitals_and_may_be_absent(self):
        assert (
            only(notification(s3_record(s3__object__sequencer="0055aed6dcd90281e5"))).sequencer == "0055AED6DCD90281E5"
        )
        assert only(notification(s3_record(s3__object__sequencer=None))).sequencer is None

    def test_a_version_id_may_be_absent_or_null(self):
        assert only(notification(s3_record())).version_id is None
        assert only(notification(s3_record(s3__object__versionId="v3"))).version_id == "v3"
        record = json.loads(json.dumps(s3_record()).replace('"size": 3', '"size": 3, "versionId": null'))
        assert only(notification(record)).version_id is None

    def test_a_time_in_another_zone_is_utc(self):
        moment = only(notification(s3_record(eventTime="2026-01-23T12:00:00+02:00"))).event_at
        assert moment == datetime(2026, 1, 23, 10, tzinfo=UTC)
        assert moment.tzinfo is UTC

    def test_an_emulator_s_time_in_unix_seconds_is_read(self):
        assert only(eventbridge(time=1769162400.25)).event_at == datetime(2026, 1, 23, 10, 0, 0, 250000, tzinfo=UTC)


@given(st.text(min_size=1))
def test_any_key_comes_back_from_its_encoding(key):
    assert only(notification(s3_record(s3__object__key=quote_plus(key)))).key == key
    assert only(notification(s3_record(s3__object__key=quote_plus(key, safe="/")))).key == key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    (),
    ("eventVersion",),
    ("eventName",),
    ("eventTime",),
    ("s3",),
    ("s3", "bucket"),
    ("s3", "bucket", "name"),
    ("s3", "object"),
    ("s3", "object", "key"),
    ("s3", "object", "size"),
    ("s3", "object", "eTag"),
    ("s3", "object", "sequencer"),
    ("s3", "object", "versionId"),
]


@given(JSON)
def test_whatever_comes_parse_does_not_raise(document):
    parse(document)
    parse({"Records": document})
    parse({"Records": [document]})
    parse(in_sqs(document, json.dumps(in_sns(document))))
    parse({"detail-type": "Object Created", "source": "aws.s3", "time": document, "detail": document})


@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_a_record_s_place_costs_no_other_record(place, value):
    record = s3_record(**{"__".join(place): value}) if place else value
    records = parse(in_sqs(notification(record, s3_record()))).deliveries[0].records
    assert len(records) == 2
    assert isinstance(records[1], ObjectCreated)
