"""What starts, follows and stops runs: the state machine, or transform jobs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from jina_v3_client.batch.outputs import Outputs
from jina_v3_client.batch.places import Place
from jina_v3_client.batch.status import BatchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run shall do; ``fields`` are those of the state machine's input that were given.

    Of ``task``, ``None`` in the fields means the base weights, and a field that is not there what the deployment has.
    """

    name: str
    dataset: Place
    fields: dict[str, Any]


class RunService(Protocol):
    """Runs by their names; safe to be used from many threads."""

    most_record_bytes: int | None
    """What one record may have, ``None`` where a larger one is set aside by the run itself."""
    resumes: bool
    """Whether runs can be resumed, planned without being done, and limited in cost."""

    def start(self, request: RunRequest) -> None:
        """Start a run; the same request again is the same run.

        **Raises**: ``ConfigurationError`` where another has its name.
        """

    def status(self, name: str) -> BatchStatus:
        """Return how far a run is. **Raises**: ``EndpointNotFoundError``."""

    def latest(self, count: int) -> list[BatchStatus]:
        """Return the newest runs, as far as a listing knows them."""

    def stop(self, name: str) -> None:
        """Stop a run."""

    def dataset(self, name: str) -> Place | None:
        """Return the place of a run's dataset, ``None`` where it had no plan."""

    def report(self, name: str) -> dict[str, Any]:
        """Return the report of a run that has ended, empty where it has none."""

    def outputs(self, name: str) -> Outputs:
        """Return what a run that has ended has left. **Raises**: ``BatchError``."""
