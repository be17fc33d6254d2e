"""What is changed in moto's events, schedules and S3: once for the process, for the AWS that runs.

Each repair says what moto does otherwise.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from moto.core.responses import ActionResult
from moto.events.exceptions import ValidationException as RuleError
from moto.events.models import EventsBackend, Rule
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.scheduler.exceptions import ScheduleGroupNotFound
from moto.scheduler.exceptions import ValidationException as ScheduleError
from moto.scheduler.models import EventBridgeSchedulerBackend

from local_aws.errors import LocalAwsError
from local_aws.event_bridge.expressions import check_expression
from local_aws.event_bridge.targets import check_target
from local_aws.moto_repairs import replace
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_CURRENT: Final[dict[str, LocalAws]] = {}
_SEQUENCE: Final = itertools.count(0x617F08299329D189)
_REASONS: Final = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}


def use(aws: LocalAws) -> None:
    """Have events go to an AWS's bus."""
    _CURRENT["aws"] = aws


def repair_events() -> None:
    """Put the repairs in; twice is harmless."""
    _deliver_by_our_bus()
    _tell_of_objects()
    _describe_notifications()
    _check_rules()
    _check_schedules()


def _deliver_by_our_bus() -> None:
    """Deliver custom events too by the bus: moto has no state machines, topics and functions for targets."""

    def send_to_targets(rule: Any, original_event: Any, transform_input: bool = True) -> None:  # noqa: ARG001  # moto's
        event = {name: value for name, value in original_event.items() if name != "ingestion-time"}
        if isinstance(event["time"], int | float):
            event["time"] = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        _CURRENT["aws"].bus.offer(rule, event)

    replace(Rule, "send_to_targets", send_to_targets)


def _tell_of_objects() -> None:
    """Tell of objects that are made as S3 does; moto's event has other names and a time that is a number."""

    def send(_account: str, bucket: Any, event_name: Any, key: Any) -> None:
        reason = _REASONS.get(getattr(event_name, "value", event_name))
        if reason is None:
            return  # what is deleted, tagged or restored is not told of here
        about = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{next(_SEQUENCE):X}"}
        if bucket.is_versioned:
            about["version-id"] = key.version_id
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": about,
            "request-id": "C3D13FE58DE4C810",
            "requester": ACCOUNT,
            "source-ip-address": "127.0.0.1",
            "reason": reason,
        }
        _CURRENT["aws"].bus.publish(bucket.region_name, "aws.s3", "Object Created", detail, [bucket.arn])

    replace(notifications, "_send_event_bridge_message", send)
    put = S3Backend.put_object
    if getattr(put, "repaired", False):
        return

    def put_object(backend: Any, *given: Any, **named: Any) -> Any:
        """Be silent inside the completion of an upload, of which moto tells twice."""
        silent = {"disable_notification": True} if named.get("multipart") is not None else {}
        return put(backend, *given, **named | silent)

    replace(put_object, "repaired", True)
    replace(S3Backend, "put_object", put_object)


def _describe_notifications() -> None:
    """Give back that a bucket tells EventBridge, which moto keeps to itself."""
    describe = S3Response.get_bucket_notification
    if getattr(describe, "repaired", False):
        return

    def get_bucket_notification(response: Any) -> Any:
        kept = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if kept is not None and kept.event_bridge is not None:
            write = response.serialized

            def serialized(result: Any) -> Any:
                return write(ActionResult({**result.result, "EventBridgeConfiguration": {}}))

            response.serialized = serialized
        return describe(response)

    replace(get_bucket_notification, "repaired", True)
    replace(S3Response, "get_bucket_notification", get_bucket_notification)


def _check_rules() -> None:
    """Refuse a target that nothing here delivers to, which moto finds out with the first event."""
    put = EventsBackend.put_targets
    if getattr(put, "repaired", False):
        return

    def put_targets(backend: Any, name: str, event_bus_arn: Any, targets: Any) -> None:
        for target in targets:
            try:
                check_target(target["Arn"])
            except LocalAwsError as error:
                raise RuleError(str(error)) from None
        put(backend, name, event_bus_arn, targets)

    replace(put_targets, "repaired", True)
    replace(EventsBackend, "put_targets", put_targets)


def _check_schedules() -> None:
    """Check expression, target and group of a schedule: moto takes any, and fails inside where there is no group."""
    for name in ("create_schedule", "update_schedule"):
        write = getattr(EventBridgeSchedulerBackend, name)
        if not getattr(write, "repaired", False):
            replace(EventBridgeSchedulerBackend, name, _checked(write))


def _checked(write: Any) -> Any:
    def checked(backend: Any, **given: Any) -> Any:
        if (given.get("group_name") or "default") not in backend.schedule_groups:
            raise ScheduleGroupNotFound(given["group_name"])
        try:
            check_expression(given["schedule_expression"])
        except ValueError as error:
            message = f"Invalid Schedule Expression {given['schedule_expression']}: {error}"
            raise ScheduleError(message) from None
        try:
            check_target(given["target"]["Arn"])
        except LocalAwsError as error:
            raise ScheduleError(str(error)) from None
        return write(backend, **given)

    replace(checked, "repaired", True)
    return checked
