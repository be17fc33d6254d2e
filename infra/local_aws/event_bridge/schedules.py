"""EventBridge Scheduler: no schedule fires by itself; one fires when it is told to, in Python or over HTTP.

``aws.schedules.fire("nightly")``, or ``POST /_local/schedules/nightly``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from moto.scheduler.models import scheduler_backends
from werkzeug.wrappers import Request, Response

from local_aws.errors import LocalAwsError
from local_aws.event_bridge.bus import now
from local_aws.event_bridge.targets import deliver
from local_aws.own_plane import json_response, own_plane
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from local_aws.server import LocalAws

PATH: Final = "/_local/schedules"


class Schedules:
    """The schedules of every region of one AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def list(self) -> list[dict[str, str]]:
        """Return every schedule, with its group and region."""
        return [
            {"name": one.name, "group": one.group_name, "region": region, "expression": one.schedule_expression}
            for region, one in self._all()
        ]

    def fire(self, name: str, *, group: str | None = None, region: str | None = None) -> dict[str, Any]:
        """Do now what a schedule does at its time, and return its target's answer.

        **Raises**: ``LocalAwsError`` where there is none, or more than one, or where its target refuses.
        """
        found = [
            (place, one)
            for place, one in self._all()
            if one.name == name and group in (None, one.group_name) and region in (None, place)
        ]
        if len(found) != 1:
            names = ", ".join(f"{one['group']}/{one['name']} in {one['region']}" for one in self.list())
            why = "is no schedule" if not found else "are more than one: give its group and region"
            raise LocalAwsError(f"{name!r}: there {why}; there are {names or 'none'}")
        place, schedule = found[0]
        if schedule.state != "ENABLED":
            raise LocalAwsError(f"the schedule {name} is {schedule.state}; enable it first")
        try:
            return deliver(self._aws, place, schedule.target, _input_of(schedule, place))
        except (BotoCoreError, ClientError) as error:
            raise LocalAwsError(f"the schedule {name} cannot start {schedule.target['Arn']}: {error}") from None

    def _all(self) -> Iterator[tuple[str, Any]]:
        for region, backend in list(scheduler_backends[ACCOUNT].items()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    yield region, schedule


def _input_of(schedule: Any, region: str) -> str:
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": now(),
        "region": region,
        "resources": [schedule.arn],
        "detail": "{}",
    }
    text = str(schedule.target.get("Input") or json.dumps(event))
    for keyword, value in (
        ("schedule-arn", schedule.arn),
        ("scheduled-time", now()),
        ("execution-id", uuid.uuid4().hex[:16]),
        ("attempt-number", "1"),
    ):
        text = text.replace(f"<aws.scheduler.{keyword}>", value)
    return text


def schedules_plane(schedules: Schedules) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane of ``/_local/schedules``: GET lists, POST ``/<name>?group=…&region=…`` fires."""
    return own_plane(PATH, partial(_respond, schedules))


def _respond(schedules: Schedules, request: Request, name: str) -> Response:
    if request.method == "GET" and not name:
        return json_response(200, {"schedules": schedules.list()})
    if request.method != "POST" or not name:
        return json_response(405, {"message": f"GET {PATH} lists; POST {PATH}/<name> fires; not {request.method}"})
    try:
        fired = schedules.fire(name, group=request.args.get("group"), region=request.args.get("region"))
    except LocalAwsError as error:
        return json_response(400, {"message": str(error)})
    return json_response(200, fired)
