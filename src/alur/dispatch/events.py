"""What the dispatcher's events say: which objects were created.

    Records: [SQS message]  body:  S3 notification | SNS envelope | EventBridge event | s3:TestEvent
    Records: [SNS record]   Sns.Message: the same
    Records: [S3 record]    S3 straight to the function
    detail-type, source     EventBridge straight to the function

An SNS envelope's `Message` holds a notification, an EventBridge event, or the test event. With raw delivery there is
no envelope, and the body is what it would have held.

Nothing here raises: what cannot be understood is marked, with what is wrong, so that it costs no other its way.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from alur.clock import from_iso
from alur.errors import MalformedEvent

_MAJOR_VERSION = "2"
"""A new minor version adds fields only; a new major one may change the meaning of those that are read here."""


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """An object, in one version, was written.

    Args:
        bucket: the bucket.
        key: the key, decoded.
        etag: the ETag without its quotes, otherwise as S3 gave it.
        size_bytes: the object's size.
        version_id: the version's id, or None where the bucket has no versions.
        sequencer: hexadecimal digits, in capitals; orders some events of one key, and may be absent.
        event_at: when S3 finished the request, aware, in UTC.
        event_name: `ObjectCreated:Put` and its like; from EventBridge `ObjectCreated:PutObject` and its like.
    """

    bucket: str
    key: str
    etag: str
    size_bytes: int
    version_id: str | None
    sequencer: str | None
    event_at: datetime
    event_name: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that is well formed and brings no object: a test event, a deletion, a change of tags.

    Args:
        reason: what it is.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record, or a whole message, that is not what AWS documents.

    Args:
        error: what is missing or of the wrong type.
    """

    error: MalformedEvent


Record = ObjectCreated | Ignored | Malformed


@dataclass(frozen=True, slots=True)
class Delivery:
    """What succeeds or fails together: one SQS message, or an event that came without a queue.

    Args:
        message_id: the SQS message's id, for `batchItemFailures`; None without a queue.
        records: what it holds, in order, duplicates kept.
    """

    message_id: str | None
    records: tuple[Record, ...]

    @property
    def is_malformed(self) -> bool:
        """Whether any of the records is malformed: then the message belongs into the dead-letter queue."""
        return any(isinstance(record, Malformed) for record in self.records)


@dataclass(frozen=True, slots=True)
class Intake:
    """One invocation's event.

    Args:
        deliveries: in the order of the event.
    """

    deliveries: tuple[Delivery, ...]

    @property
    def created(self) -> tuple[ObjectCreated, ...]:
        """Every object of every delivery, in order, duplicates kept."""
        return tuple(
            record for delivery in self.deliveries for record in delivery.records if isinstance(record, ObjectCreated)
        )


def parse(event: Mapping[str, Any]) -> Intake:
    """Say what an invocation's event holds.

    Args:
        event: as Lambda hands it over.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return Intake((Delivery(None, _notification(event)),))
    deliveries: list[Delivery] = []
    direct: list[Record] = []
    for record in records:
        source = _source(record)
        if source == "aws:sqs":
            message_id = record.get("messageId")
            known_id = message_id if isinstance(message_id, str) and message_id else None
            deliveries.append(Delivery(known_id, _text_message("body", record.get("body"))))
        elif source == "aws:sns":
            deliveries.append(Delivery(None, _sns_record(record)))
        else:
            direct.append(_s3_record(record))
    if direct or not deliveries:
        deliveries.append(Delivery(None, tuple(direct)))
    return Intake(tuple(deliveries))


def _source(record: object) -> object:
    if not isinstance(record, Mapping):
        return None
    # SNS alone writes the name with a capital letter.
    return record.get("eventSource") or record.get("EventSource")


def _sns_record(record: Mapping[str, Any]) -> tuple[Record, ...]:
    envelope = record.get("Sns")
    return _text_message("Sns.Message", envelope.get("Message") if isinstance(envelope, Mapping) else None)


def _text_message(name: str, text: object) -> tuple[Record, ...]:
    if not isinstance(text, str):
        return (Malformed(MalformedEvent(f"{name} is missing")),)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return (Malformed(MalformedEvent(f"{name} is not JSON: {error}")),)
    return _notification(document)


def _notification(document: object) -> tuple[Record, ...]:
    """Parse what one message says: an S3 notification, an SNS envelope around one, or an EventBridge event."""
    if not isinstance(document, Mapping):
        return (Malformed(MalformedEvent(f"a message is an object, this is {_kind(document)}")),)
    if document.get("Type") == "Notification" and "TopicArn" in document:
        # An envelope in an envelope would be no shape of AWS's, and would let a sender choose how deep this goes.
        inner = _inner_of(document.get("Message"))
        return (inner,) if isinstance(inner, Malformed) else _notification(inner)
    if document.get("Event") == "s3:TestEvent":
        return (Ignored("s3:TestEvent: a notification was configured"),)
    if "detail-type" in document:
        return (_marked(_eventbridge, document),)
    records = document.get("Records")
    if isinstance(records, list) and records:
        return tuple(_s3_record(record) for record in records)
    shown = ", ".join(sorted(str(name) for name in document)[:10]) or "nothing"
    return (Malformed(MalformedEvent(f"no shape of an S3 event; it holds {shown}")),)


def _inner_of(message: object) -> Mapping[str, Any] | Malformed:
    if not isinstance(message, str):
        return Malformed(MalformedEvent("the SNS envelope's Message is missing"))
    try:
        inner = json.loads(message)
    except (ValueError, RecursionError) as error:
        return Malformed(MalformedEvent(f"the SNS envelope's Message is not JSON: {error}"))
    if not isinstance(inner, Mapping):
        return Malformed(MalformedEvent(f"the SNS envelope's Message is {_kind(inner)}"))
    if inner.get("Type") == "Notification" and "TopicArn" in inner:
        return Malformed(MalformedEvent("an SNS envelope inside an SNS envelope"))
    return inner


def _s3_record(record: object) -> Record:
    return _marked(_notified, record)


def _marked(read: Any, document: object) -> Record:
    try:
        result: Record = read(document)
    except MalformedEvent as error:
        return Malformed(error)
    return result


def _notified(record: object) -> Record:
    """Read one record of an S3 notification."""
    if not isinstance(record, Mapping):
        raise MalformedEvent(f"a record is an object, this is {_kind(record)}")
    if record.get("eventSource") != "aws:s3":
        raise MalformedEvent(f"eventSource is {_shown(record.get('eventSource'))}, not 'aws:s3'")
    version = _text(record, "eventVersion")
    if version.split(".")[0] != _MAJOR_VERSION:
        raise MalformedEvent(f"eventVersion is {_shown(version)}, only {_MAJOR_VERSION}.x is known")
    event_name = _text(record, "eventName").removeprefix("s3:")
    if not event_name.startswith("ObjectCreated:"):
        return Ignored(f"{event_name}: not the creation of an object")
    details = _object(record, "s3")
    stored = _object(details, "object")
    return ObjectCreated(
        bucket=_text(_object(details, "bucket"), "name"),
        key=_decoded(_text(stored, "key")),
        etag=_etag(stored),
        size_bytes=_size(stored),
        version_id=_optional_text(stored, "versionId"),
        sequencer=_sequencer(stored),
        event_at=_moment(record, "eventTime"),
        event_name=event_name,
    )


def _eventbridge(event: Mapping[str, Any]) -> Record:
    """Read an event of EventBridge, whose key is not encoded."""
    if event.get("source") != "aws.s3":
        raise MalformedEvent(f"source is {_shown(event.get('source'))}, not 'aws.s3'")
    detail_type = _text(event, "detail-type")
    if detail_type != "Object Created":
        return Ignored(f"{detail_type}: not the creation of an object")
    detail = _object(event, "detail")
    stored = _object(detail, "object")
    reason = _optional_text(detail, "reason")
    return ObjectCreated(
        bucket=_text(_object(detail, "bucket"), "name"),
        key=_text(stored, "key"),
        etag=_etag(stored),
        size_bytes=_size(stored),
        version_id=_optional_text(stored, "version-id"),
        sequencer=_sequencer(stored),
        event_at=_moment(event, "time"),
        event_name=f"ObjectCreated:{reason}" if reason else "ObjectCreated",
    )


def _decoded(key: str) -> str:
    """Undo the form encoding of a notification's key: once, because the key may hold percent signs of its own."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise MalformedEvent(f"key is {_shown(key)}, which is not UTF-8 when decoded") from None


def _etag(stored: Mapping[str, Any]) -> str:
    # S3 writes eTag, EventBridge etag. The value is not touched but for its quotes: outside of general purpose buckets
    # it is no hash, and it is compared with what HEAD says.
    name = "etag" if "etag" in stored else "eTag"
    etag = _text(stored, name).strip('"')
    if not etag:
        raise MalformedEvent(f"{name} is empty")
    return etag


def _size(stored: Mapping[str, Any]) -> int:
    size = stored.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise MalformedEvent(f"size is {_shown(size)}, not a number of bytes")
    return size


def _sequencer(stored: Mapping[str, Any]) -> str | None:
    # S3 writes it in capitals, EventBridge in small letters.
    sequencer = _optional_text(stored, "sequencer")
    return sequencer.upper() if sequencer else None


def _moment(document: Mapping[str, Any], name: str) -> datetime:
    value = document.get(name)
    try:
        if isinstance(value, str):
            return from_iso(value)
        # EventBridge writes text, but emulators of it write unix seconds.
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise MalformedEvent(f"{name} is {_shown(value)}, not a time with its zone")


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, Mapping):
        raise MalformedEvent(f"{name} is {_kind(value)}, not an object")
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = _optional_text(document, name)
    if not value:
        raise MalformedEvent(f"{name} is missing")
    return value


def _optional_text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedEvent(f"{name} is {_kind(value)}, not a text")
    # JSON may spell half of a surrogate pair, which no AWS API takes: found out here, it costs this record alone.
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise MalformedEvent(f"{name} is {_shown(value)}, which is not Unicode text")
    return value


def _shown(value: object) -> str:
    """Render a value for a message: short, and in ASCII, so that any log takes it."""
    text = ascii(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, Mapping):
        return "an object"
    return {bool: "a truth value", int: "a number", float: "a number", str: "a text", list: "a list"}.get(
        type(value), f"a {type(value).__name__}"
    )
