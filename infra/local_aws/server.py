"""The process: moto's WSGI application with the local planes before it, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local_aws import sagemaker
from local_aws.faults import Faults
from local_aws.images import Images
from local_aws.settings import ACCESS_KEY, SECRET_KEY, Settings

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

Plane = Callable[["WSGIApplication"], "WSGIApplication"]
"""Wraps an application: answers the requests that are its own and passes the others on."""


class LocalAws:
    """One AWS, from ``start`` (or ``with``) to ``stop``.

    There can be one in a process at a time: moto's backends are the process's.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.images = Images()
        self.faults = Faults()
        self._closers: list[Callable[[], None]] = []
        self._application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            settings.host, settings.port, self._dispatch, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="local-aws", daemon=True)
        sagemaker.install(self)

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
        """Return a boto3 client of this AWS."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def add_plane(self, plane: Plane) -> None:
        """Put a plane before everything that is there."""
        self._application = plane(self._application)

    def on_stop(self, close: Callable[[], None]) -> None:
        """Have something ended by ``stop``, the last one first."""
        self._closers.append(close)

    def _dispatch(self, environ: Any, start_response: Any) -> Any:
        return self._application(environ, start_response)

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

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
