"""A transform job: what it was created with, and how far it is."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.store import now
from local_aws.sagemaker.transform.processing import DEFAULTS

if TYPE_CHECKING:
    from local_aws.sagemaker.container import Container

_RUNNING: Final = ("InProgress", "Stopping")


class TransformJob:
    """One job; ``lock`` is held by whoever looks at its status and then changes it."""

    def __init__(self, name: str, arn: str, definition: dict[str, Any], container: dict[str, Any]) -> None:
        self.name = name
        self.arn = arn
        self.definition = definition
        self.model_container = container
        self.status = "InProgress"
        self.lock = threading.RLock()
        self.over = threading.Event()
        """Set when nothing more is to be done for it, whatever the reason."""
        self._container: Container | None = None
        self._failure: str | None = None
        self._created = now()
        self._changed = self._created
        self._started: datetime | None = None
        self._ended: datetime | None = None

    @property
    def instance_type(self) -> str:
        """The machine that it runs on."""
        kind: str = self.definition["TransformResources"]["InstanceType"]
        return kind

    @property
    def instances(self) -> int:
        """How many machines it runs on."""
        count: int = self.definition["TransformResources"]["InstanceCount"]
        return count

    @property
    def is_running(self) -> bool:
        """Whether it has machines, or waits for them."""
        return self.status in _RUNNING

    def begin(self) -> bool:
        """Say that it is its turn now; false where it is over before."""
        with self.lock:
            if self.over.is_set():
                return False
            self._started = self._changed = now()
            return True

    def hold(self, container: Container) -> None:
        """Have a container, which is not started yet, end when the job is stopped."""
        with self.lock:
            self._container = container
            stopped = self.status == "Stopping"
        if stopped:
            container.stop()

    def stop(self) -> Container | None:
        """Begin to stop, and return the container that is to end.

        **Raises**: ``ServiceError`` for a job that does not run.
        """
        with self.lock:
            if self.status != "InProgress":
                refuse(
                    f"The request was rejected because the transform job {self.name} is in status {self.status}; only "
                    "one that is InProgress can be stopped."
                )
            self.status, self._changed = "Stopping", now()
            self.over.set()
            if self._started is None:  # it waits for its machines, or its turn
                self._end("Stopped", None)
            return self._container

    def end(self, failure: str | None = None) -> None:
        """Say that all is done: it was stopped, or failed for a reason, or is complete."""
        with self.lock:
            if self.status == "Stopping":
                self._end("Stopped", None)
            elif self.status == "InProgress":
                self._end("Failed" if failure is not None else "Completed", failure)

    def _end(self, status: str, failure: str | None) -> None:
        self.status, self._failure = status, failure
        self._ended = self._changed = now()
        self._container = None
        self.over.set()

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeTransformJob."""
        with self.lock:
            given = self.definition
            return {
                **given,
                **self._summary(),
                "TransformInput": {"CompressionType": "None", "SplitType": "None", **given["TransformInput"]},
                "TransformOutput": {"AssembleWith": "None", **given["TransformOutput"]},
                "DataProcessing": {**DEFAULTS, **given.get("DataProcessing", {})},
                **({"TransformStartTime": self._started} if self._started is not None else {}),
            }

    def summarise(self) -> dict[str, Any]:
        """Return a row of ListTransformJobs."""
        with self.lock:
            return {**self._summary(), "LastModifiedTime": self._changed}

    def _summary(self) -> dict[str, Any]:
        return {
            "TransformJobName": self.name,
            "TransformJobArn": self.arn,
            "TransformJobStatus": self.status,
            "CreationTime": self._created,
            **({"TransformEndTime": self._ended} if self._ended is not None else {}),
            **({"FailureReason": self._failure} if self._failure is not None else {}),
        }
