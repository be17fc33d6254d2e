"""What all parts of the local SageMaker share: settings, other services, regions, and how to wait and to start work."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local_aws.faults import Faults
from local_aws.images import Images
from local_aws.sagemaker.model_data import ModelCache
from local_aws.sagemaker.queue import BoundedQueue
from local_aws.sagemaker.store import Store
from local_aws.settings import ACCOUNT, Settings

if TYPE_CHECKING:
    from local_aws.sagemaker.container import Container
    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.05


class Hosting:
    """The local SageMaker of one AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self.images: Images = aws.images
        self.faults: Faults = aws.faults
        self.ending = threading.Event()
        self.model_cache = ModelCache(aws.settings.state_folder / "models")
        self.transforms = BoundedQueue(lambda: aws.settings.transform_processes, self.now_s)
        self._containers: weakref.WeakSet[Container] = weakref.WeakSet()
        self.client = aws.client
        self._stores: dict[str, Store] = {}
        self._skipped_s = 0.0
        self._lock = threading.Lock()

    @property
    def settings(self) -> Settings:
        """What the AWS is set to now."""
        return self._aws.settings

    def store(self, region: str) -> Store:
        """Return what a region remembers."""
        with self._lock:
            return self._stores.setdefault(region, Store(region))

    def adopt(self, container: Container) -> None:
        """Have a container ended by ``close``; one that comes after it does not start."""
        with self._lock:
            self._containers.add(container)
        if self.ending.is_set():
            container.stop()

    @property
    def stores(self) -> list[Store]:
        """What each region remembers."""
        with self._lock:
            return list(self._stores.values())

    def now_s(self) -> float:
        """Return the time by which calls wait: it passes, and can be skipped."""
        return time.monotonic() + self._skipped_s

    def skip(self, seconds: float) -> None:
        """Have so much time be over."""
        self._skipped_s += seconds

    def close(self) -> None:
        """End every transform job and every container, those that are starting too."""
        self.ending.set()
        with self._lock:
            containers = list(self._containers)
            jobs = [job for store in self._stores.values() for job in list(store.transforms.values())]
        for job in jobs:
            job.over.set()
        stoppers = [threading.Thread(target=container.stop) for container in containers]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def folder(self, region: str, endpoint: str) -> Path:
        """Return where an endpoint's models and logs lie."""
        return self.settings.state_folder / "endpoints" / region / endpoint

    def transform_folder(self, region: str, job: str) -> Path:
        """Return where a transform job's model, files and logs lie."""
        return self.settings.state_folder / "transform" / region / job

    def pause(self, seconds: float, ending: threading.Event | None = None) -> bool:
        """Wait as long as the real service would, scaled by ``waiting``, which holds for a wait that is under way too.

        Say whether it ended early: because all is to end, or what ``ending`` is set for.
        """
        ending = ending or self.ending
        began = time.monotonic()
        while (left_s := seconds * self.settings.waiting - (time.monotonic() - began)) > 0:
            if ending.wait(min(left_s, _LOOK_S)):
                break
        return ending.is_set()

    def guard(self, name: str, work: Callable[[], None]) -> Callable[[], None]:
        """Return work whose exceptions are logged, for a thread on which nobody would see them."""

        def run() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001  # see above
                if not self.ending.is_set():
                    _LOG.exception("%s failed inside the local AWS", name)

        return run

    def spawn(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Do work on a thread of its own; what it raises is logged."""
        thread = threading.Thread(target=self.guard(name, work), name=name, daemon=True)
        thread.start()
        return thread


TRANSFORM_LOG_GROUP: Final = "/aws/sagemaker/TransformJobs"
"""Where the containers of all transform jobs log."""


def endpoint_log_group(endpoint: str) -> str:
    """Return where the containers of an endpoint's variants log."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def component_log_group(component: str) -> str:
    """Return where the containers of an inference component log."""
    return f"/aws/sagemaker/InferenceComponents/{component}"


def log_group_arn(region: str, group: str) -> str:
    """Return the ARN that errors of a container name."""
    return f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"
