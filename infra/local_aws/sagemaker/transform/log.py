"""The data log of a transform job: a line for what happened to a file, as the service writes it."""

from __future__ import annotations

from local_aws.sagemaker.journal import Journal
from local_aws.sagemaker.store import now


class DataLog:
    """Lines beside those of the container; safe from every thread."""

    def __init__(self, journal: Journal, stream: str) -> None:
        self._journal = journal
        journal.begin(stream)

    def write(self, text: str) -> None:
        """Write one line, with its time."""
        moment = now()
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}"
        with self._journal.open() as file:
            file.write(f"{stamp}:[sagemaker logs]: {text}\n".encode(errors="replace"))
        self._journal.ship()

    def blame(self, place: str, reason: str, message: str = "") -> None:
        """Write why a file failed, with what the container said."""
        self.write(f"{place}: {reason}")
        if message:
            for line in ("", "Message:", *message.splitlines()):
                self.write(f"{place}: {line}")

    def close(self) -> None:
        """Bring the last lines to CloudWatch Logs."""
        self._journal.ship(whole=True)
