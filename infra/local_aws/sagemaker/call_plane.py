"""The plane of one kind of call: by its path, with who signed it checked, and every error in the service's form."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Response

from local_aws.errors import ServiceError
from local_aws.sagemaker.wire import Arrival, receive, runtime_error

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_LOG: Final = logging.getLogger(__name__)


def call_plane(
    pattern: re.Pattern[str],
    respond: Callable[[Arrival, str, str], Response],
    translate: Callable[[ServiceError], ServiceError] = lambda error: error,
) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane of the paths that a pattern matches, whose groups are a name and a verb; both go to ``respond``.

    ``translate`` says what an error of ``respond`` is called here.
    """

    def plane(next_application: WSGIApplication) -> WSGIApplication:
        def answer(environ: Any, start_response: Any) -> Any:
            path = pattern.fullmatch(environ.get("PATH_INFO", ""))
            if path is None or environ["REQUEST_METHOD"] != "POST":
                return next_application(environ, start_response)
            try:
                response = respond(receive(environ), path[1], path[2])
            except ServiceError as error:
                response = runtime_error(translate(error))
            except Exception:  # noqa: BLE001  # whatever it is, the client gets an answer and the log the traceback
                _LOG.exception("%s of %s failed inside the local AWS", path[2], path[1])
                response = runtime_error(ServiceError("InternalFailure", "see the local AWS's own log", 500))
            response.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
            return response(environ, start_response)

        return answer

    return plane
