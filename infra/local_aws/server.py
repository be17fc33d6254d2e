"""The process: moto's WSGI application with the local planes before it, on a thread of its own."""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local_aws.browsers import refuse_pages
from local_aws.errors import LocalAwsError
from local_aws.event_bridge.bus import Bus
from local_aws.event_bridge.schedules import Schedules
from local_aws.faults import Faults
from local_aws.images import Images
from local_aws.moto_repairs import forget_everything, repair_moto
from local_aws.services import explain_failures
from local_aws.settings import ACCESS_KEY, SECRET_KEY, Settings
from local_aws.shapes import open_session

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from local_aws.autoscaling import Autoscaler

Plane = Callable[["WSGIApplication"], "WSGIApplication"]
"""Wraps an application: answers the requests that are its own and passes the others on."""

PARTS: Final = (
    "local_aws.quotas",
    "local_aws.codebuild",
    "local_aws.step_functions",
    "local_aws.functions",  # ends before the executions that wait for it
    "local_aws.event_bridge",
    "local_aws.cloudformation",
    "local_aws.sagemaker",
)
"""The modules whose ``install`` adds a part to this AWS."""

_CALL_S: Final = 60  # what an answer may take
_FUNCTION_S: Final = 960  # a function may take a quarter of an hour
_POLL_S: Final = 0.02  # how soon the server sees that it is to stop


class LocalAws:
    """One AWS, from ``start`` (or ``with``) to ``stop``.

    There can be one in a process at a time: moto's backends are the process's, and are emptied by ``stop``. ``parts``
    are what it has beside moto's own services.

    **Raises**: ``LocalAwsError`` for a port that is taken, or a version of moto that it was not tested with.
    """

    scaling: Autoscaler
    """What moves counts, a simulated minute at a time; SageMaker's part brings it."""

    def __init__(self, settings: Settings, parts: Sequence[str] = PARTS) -> None:
        repair_moto()
        self.settings = settings
        self.images = Images()
        self.faults = Faults()
        self.bus = Bus(self)
        self.schedules = Schedules(self)
        self._closers: list[Callable[[], None]] = []
        self._session = boto3.Session(ACCESS_KEY, SECRET_KEY, botocore_session=open_session())
        self._clients: dict[tuple[str, str], Any] = {}
        self._clients_lock = threading.Lock()
        self._application: WSGIApplication = explain_failures(DomainDispatcherApplication(create_backend_app))
        _check_port(settings)
        self._server = make_server(
            settings.host, settings.port, self._dispatch, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="local-aws", daemon=True
        )
        for name in parts:
            importlib.import_module(name).install(self)

    @property
    def url(self) -> str:
        """What ``AWS_ENDPOINT_URL`` must be; the name, because clients put bucket names before it."""
        return f"http://localhost:{self._server.server_port}"

    def environment(self, region: str) -> dict[str, str]:
        """Return the variables that point boto3, the AWS CLI and the CDK here, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client of this AWS, the same one each time; it may be used from many threads."""
        with self._clients_lock:  # a session makes clients for one thread at a time
            if (service, region) not in self._clients:
                self._clients[service, region] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.url,
                    config=Config(
                        max_pool_connections=32,
                        proxies={},
                        read_timeout=_FUNCTION_S if service == "lambda" else _CALL_S,
                        retries={"total_max_attempts": 1},
                    ),
                )
            return self._clients[service, region]

    def add_plane(self, plane: Plane) -> None:
        """Put a plane before everything that is there."""
        self._application = plane(self._application)

    def on_stop(self, close: Callable[[], None]) -> None:
        """Have something ended by ``stop``, the last one first."""
        self._closers.append(close)

    def _dispatch(self, environ: Any, start_response: Any) -> Any:
        return refuse_pages(self._application)(environ, start_response)

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every container, then the server."""
        for close in reversed(self._closers):
            close()
        self._server.shutdown()
        self._server.server_close()
        forget_everything()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _check_port(settings: Settings) -> None:
    """Refuse a port that is taken: werkzeug would end the process instead.

    **Raises**: ``LocalAwsError``.
    """
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise LocalAwsError(
                f"port {settings.port} of {settings.host} cannot be had ({error.strerror}); "
                "give another with --port, or 0 for any that is free"
            ) from None
