"""The API of Lambda, as far as it is not moto's: invocations, and what a function must not be.

A request that is neither goes on to moto.
"""

from __future__ import annotations

import base64
import io
import json
import re
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request, Response

from local_aws.errors import ServiceError
from local_aws.functions.checks import check_settings
from local_aws.functions.runs import Runs
from local_aws.services import signed_scope

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from local_aws.functions.runs import Answer
    from local_aws.server import LocalAws

_PATH: Final = re.compile(
    r"/2015-03-31/functions(?:/(?P<name>[^/]+)(?:/(?P<part>invocations|code|configuration|concurrency))?)?/?"
)


class Functions:
    """The functions of every region of one AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._runs = Runs(aws)
        aws.on_stop(self._runs.stop)

    def plane(self, next_application: WSGIApplication) -> WSGIApplication:
        """Answer what is Lambda's own here."""

        def answer(environ: Any, start_response: Any) -> Any:
            scope = signed_scope(environ.get("HTTP_AUTHORIZATION", ""))
            found = _PATH.fullmatch(urllib.parse.unquote(environ.get("PATH_INFO", "")))
            if scope is None or scope[1] != "lambda" or found is None:
                return next_application(environ, start_response)
            request = Request(environ)
            body, region = request.get_data(), scope[0]
            try:
                if found["part"] == "invocations":
                    return self._invoke(request, region, _plain_name(found["name"]), body)(environ, start_response)
                self._check(request.method, region, found["name"], found["part"], body)
            except ServiceError as error:
                return _refuse(error)(environ, start_response)
            environ["wsgi.input"] = io.BytesIO(body)
            return next_application(environ, start_response)

        return answer

    def _check(self, method: str, region: str, name: str | None, part: str | None, body: bytes) -> None:
        if method == "DELETE" and part is None and name is not None:
            self._runs.retire(region, _plain_name(name))
        elif method in {"POST", "PUT"} and body:
            check_settings(self._aws, region, name, json.loads(body))

    def _invoke(self, request: Request, region: str, name: str, body: bytes) -> Response:
        qualifier = request.args.get("Qualifier", "$LATEST")
        if qualifier != "$LATEST":
            message = f"the local AWS runs $LATEST only, not {qualifier!r} of {name}; leave the qualifier out"
            raise ServiceError("InvalidParameterValueException", message)
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "DryRun":
            self._runs.look(region, name)
            return Response("", 204)
        if kind == "Event":
            return _respond(b"", 202, {"x-amzn-RequestId": self._runs.start(region, name, body)})
        return _write(self._runs.call(region, name, body), request.headers.get("X-Amz-Log-Type"))


def _plain_name(name: str) -> str:
    """Return the name in an ARN, a part of one, or the name itself."""
    return name.split(":function:")[-1].split(":")[0]


def _write(answer: Answer, log_type: str | None) -> Response:
    headers = {"x-amzn-RequestId": answer.request_id, "X-Amz-Executed-Version": "$LATEST"}
    if answer.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if log_type == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(answer.log_tail).decode()
    return _respond(answer.payload, 200, headers)


def _refuse(error: ServiceError) -> Response:
    body = {"Type": "User", "Message": error.message, "message": error.message, **error.members}
    headers = {"x-amzn-ErrorType": error.code, "x-amzn-RequestId": str(uuid.uuid4())}
    return _respond(json.dumps(body).encode(), error.status, headers)


def _respond(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, content_type="application/json")
