"""The requests of the autoscaler: to let a minute pass, and DescribeScalingActivities, which moto lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request, Response

from local_aws.autoscaling import MINUTE_S, Autoscaler
from local_aws.json_protocol import answer_json, read_json
from local_aws.own_plane import json_response

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

PATH: Final = "/_local/scaling/minute"
_ACTIVITIES: Final = "AnyScaleFrontendService.DescribeScalingActivities"


def scaling_plane(autoscaler: Autoscaler) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane of ``/_local/scaling/minute``, and of DescribeScalingActivities, which moto lacks."""

    def plane(next_application: WSGIApplication) -> WSGIApplication:
        def answer(environ: Any, start_response: Any) -> Any:
            if environ.get("PATH_INFO") == PATH:
                return _pass_minutes(autoscaler, Request(environ))(environ, start_response)
            if environ.get("HTTP_X_AMZ_TARGET") == _ACTIVITIES:
                return _describe(autoscaler, Request(environ))(environ, start_response)
            return next_application(environ, start_response)

        return answer

    return plane


def _pass_minutes(autoscaler: Autoscaler, request: Request) -> Response:
    if request.method != "POST":
        return json_response(405, {"message": f"{PATH} takes POST, not {request.method}"})
    activities = autoscaler.minute()
    told = [{name: one[name] for name in ("ResourceId", "Description", "Cause", "StatusCode")} for one in activities]
    return json_response(200, {"minute": autoscaler.elapsed_s // MINUTE_S, "activities": told})


def _describe(autoscaler: Autoscaler, request: Request) -> Response:
    """Answer DescribeScalingActivities, all on one page."""
    wanted = read_json(request.get_data())
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
    region = scope[2] if len(scope) > 2 else ""
    return answer_json({"ScalingActivities": autoscaler.activities(region, wanted.get("ResourceId"))})
