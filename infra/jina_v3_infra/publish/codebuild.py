"""The image's build in the account: started, or joined where one runs already, and followed with its log."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from time import sleep
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.console import Console

from jina_v3_infra.aws_errors import error_code
from jina_v3_infra.publish.errors import PublishError, explained

_IMAGE: Final = "IMAGE_URI"
_RUNNING: Final = "IN_PROGRESS"
_TAIL: Final = 20  # lines of the log that an error shows
_POLLS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # between two looks; the last goes on


@dataclass(slots=True, kw_only=True)
class Build:
    """A build that was started, and how much of it has been shown."""

    codebuild: Any
    logs: Any
    build_id: str
    console: Console
    _phases: set[str] = field(default_factory=set)
    _lines: list[str] = field(default_factory=list)
    _token: str | None = None
    _log_readable: bool = True

    def follow(self) -> None:
        """Show phases and log lines as they come, until the build has ended.

        **Raises**: ``PublishError`` where it did not succeed, and on Ctrl-C, which leaves it running.
        """
        try:
            pauses_s = chain(_POLLS_S, repeat(_POLLS_S[-1]))
            while (state := self._look())["buildStatus"] == _RUNNING:
                sleep(next(pauses_s))
        except KeyboardInterrupt:
            raise PublishError(
                f"the build {self.build_id} goes on in the account: run this again to wait for it, "
                f"or end it with: aws codebuild stop-build --id {self.build_id}"
            ) from None
        if state["buildStatus"] != "SUCCEEDED":
            raise PublishError(self._failure(state))

    def _look(self) -> dict[str, Any]:
        with explained("codebuild", f"build {self.build_id}"):
            found = self.codebuild.batch_get_builds(ids=[self.build_id])["builds"]
        if not found:
            raise PublishError(f"the build {self.build_id} is gone: run this again to start another")
        state: dict[str, Any] = found[0]
        for phase in state.get("phases", ()):
            if phase["phaseType"] not in self._phases:
                self._phases.add(phase["phaseType"])
                self.console.print(f"  {phase['phaseType'].lower().replace('_', ' ')}", style="dim")
        for line in self._read_log(state.get("logs", {})):
            self._lines.append(line)
            self.console.print(f"    {line}", style="dim")
        return state

    def _read_log(self, place: dict[str, Any]) -> Iterator[str]:
        """Yield the lines that have come since; a log that cannot be read does not stop the build."""
        if not self._log_readable or not place.get("groupName") or not place.get("streamName"):
            return
        while True:
            asked = {"logGroupName": place["groupName"], "logStreamName": place["streamName"], "startFromHead": True}
            try:
                with explained("logs", f"log group {place['groupName']}"):
                    answer = self.logs.get_log_events(**asked, **({"nextToken": self._token} if self._token else {}))
            except PublishError as error:
                cause = error.__cause__
                if not (isinstance(cause, ClientError) and error_code(cause) == "ResourceNotFoundException"):
                    self._log_readable = False
                    self.console.print(f"  the build's log is not shown: {error}", style="yellow")
                return  # or its first line has not been written yet
            for event in answer["events"]:
                yield event["message"].rstrip()
            if answer["nextForwardToken"] == self._token:  # CloudWatch's way to say that this is all for now
                return
            self._token = answer["nextForwardToken"]

    def _failure(self, state: dict[str, Any]) -> str:
        ended = f"the build {self.build_id} of the image ended as {state['buildStatus']}"
        failed = [phase for phase in state.get("phases", ()) if phase.get("phaseStatus") not in (None, "SUCCEEDED")]
        if failed:
            contexts = (one.get("message", one.get("statusCode", "")) for one in failed[0].get("contexts", ()))
            ended += f" in phase {failed[0]['phaseType']}: {'; '.join(filter(None, contexts)) or 'no reason is given'}"
        tail = [f"    {line}" for line in self._lines[-_TAIL:]]
        link = state.get("logs", {}).get("deepLink")
        return "\n".join(
            [
                ended,
                *(["  its log's last lines:", *tail] if tail else []),
                *([f"  the whole log: {link}"] if link else []),
            ]
        )


def find_build(codebuild: Any, project: str, image_uri: str) -> str | None:
    """Return the build of this image that is running, if there is one among the newest hundred.

    **Raises**: ``PublishError``.
    """
    with explained("codebuild", f"project {project}"):
        newest = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING").get("ids", [])[:100]
        builds = codebuild.batch_get_builds(ids=newest)["builds"] if newest else []
    for build in builds:
        variables = build.get("environment", {}).get("environmentVariables", ())
        image = {each["name"]: each.get("value") for each in variables}.get(_IMAGE)
        if build["buildStatus"] == _RUNNING and image == image_uri:
            return str(build["id"])
    return None


def start_build(codebuild: Any, project: str, *, source: str, image_uri: str, torch: str, base: str | None) -> str:
    """Start a build from ``source``, which is bucket/key, and return its id.

    **Raises**: ``PublishError``.
    """
    variables = {_IMAGE: image_uri, "TORCH": torch, "BASE_IMAGE": base or ""}
    with explained("codebuild", f"project {project}"):
        started = codebuild.start_build(
            projectName=project,
            sourceTypeOverride="S3",
            sourceLocationOverride=source,
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
            idempotencyToken=uuid.uuid4().hex,  # a call that is repeated after a broken connection starts one build
        )
    return str(started["build"]["id"])
