"""One build: its phases, its log, and an image that is its sources, where a container engine would make a real one.

It knows nothing of the API; where it stands is in ``describe``.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import re
import threading
import time
import urllib.parse
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from local_aws.build_log import BuildLog
from local_aws.image_manifest import MANIFEST_TYPE, list_files, make_manifest, read_dockerfile
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)
_QUEUED_S: Final = 10.0  # each is scaled by the settings' ``waiting``
_PROVISIONING_S: Final = 20.0
_BUILDING_S: Final = 60.0
_IMAGE: Final = re.compile(rf"({ACCOUNT}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com)/([^:@]+):([\w][\w.-]{{0,127}})")


class _FailedError(Exception):
    """The build cannot go on; the message is the last line of its log."""


class _StoppedError(Exception):
    """The build was asked to end."""


class Build:
    """A build of a project, from ``run`` on a thread of its own."""

    def __init__(
        self,
        aws: LocalAws,
        region: str,
        project: dict[str, Any],
        identifier: str,
        number: int,
        overrides: dict[str, Any],
        stopping: threading.Event,
    ) -> None:
        self.project = project
        self._aws = aws
        self._region = region
        self._stopping = stopping
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._variables = {
            one["name"]: one["value"]
            for one in (
                *project["environment"].get("environmentVariables", ()),
                *overrides.get("environmentVariablesOverride", ()),
            )
        }
        self.description = self._describe_start(identifier, number, overrides)
        self._log = BuildLog(aws.client("logs", region), self.description["logs"])

    def _describe_start(self, identifier: str, number: int, overrides: dict[str, Any]) -> dict[str, Any]:
        project, region = self.project, self._region
        source = dict(project["source"])
        source |= {"type": overrides.get("sourceTypeOverride", source["type"])}
        if "sourceLocationOverride" in overrides:
            source["location"] = overrides["sourceLocationOverride"]
        variables = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in self._variables.items()]
        watch = project.get("logsConfig", {}).get("cloudWatchLogs", {"status": "ENABLED"})
        group = watch.get("groupName", f"/aws/codebuild/{project['name']}")
        stream = "/".join(filter(None, (watch.get("streamName"), identifier.partition(":")[2])))
        place = f"{urllib.parse.quote(group, safe='')};stream={urllib.parse.quote(stream, safe='')}"
        return {
            "id": identifier,
            "arn": f"arn:aws:codebuild:{region}:{ACCOUNT}:build/{identifier}",
            "buildNumber": number,
            "startTime": datetime.now(UTC),
            "currentPhase": "SUBMITTED",
            "buildStatus": "IN_PROGRESS",
            "buildComplete": False,
            "projectName": project["name"],
            "phases": [],
            "source": source,
            "artifacts": {"location": ""},
            "cache": project["cache"],
            "environment": {**project["environment"], "environmentVariables": variables},
            "serviceRole": project["serviceRole"],
            "timeoutInMinutes": overrides.get("timeoutInMinutesOverride", project["timeoutInMinutes"]),
            "queuedTimeoutInMinutes": project["queuedTimeoutInMinutes"],
            "encryptionKey": project["encryptionKey"],
            "initiator": "local-aws",
            "logs": {
                "groupName": group,
                "streamName": stream,
                "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}#logEvent:group={place}",
                "cloudWatchLogsArn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}:log-stream:{stream}",
                "cloudWatchLogs": watch,
            },
        }

    def describe(self) -> dict[str, Any]:
        """Return where the build stands."""
        with self._lock:
            return copy.deepcopy(self.description)

    def cancel(self) -> None:
        """Have the build end."""
        self._cancelled.set()

    def run(self) -> None:
        """Go through the phases, to the end or to the first that fails."""
        status = "SUCCEEDED"
        try:
            self._go_through()
        except _StoppedError:
            status = "STOPPED"
        except _FailedError as error:
            status = "FAILED"
            self._end_phase("FAILED", str(error))
        except Exception:  # noqa: BLE001  # whatever it is, the build is to end
            _LOG.exception("build %s failed inside the local AWS", self.description["id"])
            status = "FAULT"
        with self._lock:
            ended = datetime.now(UTC)
            self.description["phases"].append({"phaseType": "COMPLETED", "startTime": ended})
            self.description |= {
                "currentPhase": "COMPLETED",
                "buildStatus": status,
                "buildComplete": True,
                "endTime": ended,
            }

    def _go_through(self) -> None:
        self._phase("SUBMITTED")
        self._phase("QUEUED")
        self._wait(_QUEUED_S)
        self._phase("PROVISIONING")
        self._wait(_PROVISIONING_S)
        self._log.open()
        self._phase("DOWNLOAD_SOURCE")
        folder = self._download()
        self._phase("PRE_BUILD")
        uri, region, repository, tag = self._image()
        self._phase("BUILD")
        manifest = self._describe_image(folder)
        self._phase("POST_BUILD")
        self._register(folder, uri, region, repository, tag, manifest)
        self._phase("FINALIZING")
        self._end_phase("SUCCEEDED")

    def _phase(self, name: str) -> None:
        self._end_phase("SUCCEEDED")
        with self._lock:
            self.description["currentPhase"] = name
            self.description["phases"].append({"phaseType": name, "startTime": datetime.now(UTC)})

    def _end_phase(self, status: str, message: str = "") -> None:
        phases = self.description["phases"]
        if not phases:
            return
        name, ended = phases[-1]["phaseType"], datetime.now(UTC)
        if name not in {"SUBMITTED", "QUEUED", "PROVISIONING"}:  # the log begins later
            self._log.write(f"Phase complete: {name} State: {status}")
            code = (
                ""
                if status == "SUCCEEDED"
                else "CLIENT_ERROR"
                if name == "DOWNLOAD_SOURCE"
                else "COMMAND_EXECUTION_ERROR"
            )
            self._log.write(f"Phase context status code: {code} Message: {message}")
        with self._lock:
            phases[-1] |= {
                "phaseStatus": status,
                "endTime": ended,
                "durationInSeconds": round((ended - phases[-1]["startTime"]).total_seconds()),
                "contexts": [{"statusCode": "" if status == "SUCCEEDED" else "CLIENT_ERROR", "message": message}],
            }

    def _wait(self, seconds: float) -> None:
        began = time.monotonic()
        while (left_s := seconds * self._aws.settings.waiting - (time.monotonic() - began)) > 0:
            if self._cancelled.wait(min(0.05, left_s)) or self._stopping.is_set():
                raise _StoppedError

    # --- what is done where commands would run

    def _download(self) -> Path:
        source = self.description["source"]
        if source["type"] != "S3":
            raise _FailedError(
                f"the local AWS builds from S3 only, not from {source['type']}; start it with S3's overrides"
            )
        location = source["location"].removeprefix("arn:aws:s3:::")
        bucket, _, key = location.partition("/")
        try:
            body = self._aws.client("s3", self._region).get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            reason = error.response["Error"].get("Message", error.response["Error"]["Code"])
            raise _FailedError(f"{reason} for primary source: {location}") from None
        folder = self._aws.settings.state_folder / "builds" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise _FailedError(f"error while extracting the source {location}: {error}") from None
        self._log.write(f"unpacked {len(list_files(folder))} files, of a zip of {len(body)} bytes at {location}")
        return folder

    def _image(self) -> tuple[str, str, str, str]:
        uri = self._variables.get("IMAGE_URI", "")
        match = _IMAGE.fullmatch(uri)
        if match is None:
            raise _FailedError(
                f"IMAGE_URI is {uri!r}; it must be {ACCOUNT}.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>"
            )
        self._log.write(f"the image is to be {uri}")
        return uri, match[2], match[3], match[4]

    def _describe_image(self, folder: Path) -> dict[str, Any]:
        """Say what the Dockerfile asks for, and name the image by what it would be built from."""
        given = {name: value for name, value in self._variables.items() if name != "IMAGE_URI" and value}
        path = folder / "Dockerfile"
        if not path.is_file():
            raise _FailedError("the source has no Dockerfile at its top")
        asked = read_dockerfile(path, given)
        self._log.write(f"found a Dockerfile: base {asked.base}, torch {asked.torch}; neither is fetched or installed")
        self._wait(_BUILDING_S)
        return make_manifest(folder, given)

    def _register(
        self, folder: Path, uri: str, region: str, repository: str, tag: str, manifest: dict[str, Any]
    ) -> None:
        ecr = self._aws.client("ecr", region)
        request = {
            "repositoryName": repository,
            "imageTag": tag,
            "imageManifest": json.dumps(manifest),
            "imageManifestMediaType": MANIFEST_TYPE,
        }
        try:
            ecr.describe_repositories(repositoryNames=[repository])
            pushed = ecr.put_image(**request)["image"]["imageId"]["imageDigest"]
        except ClientError as error:
            raise _FailedError(_refusal(error, repository, tag)) from None
        self._log.write(f"put a manifest into ECR: repository {repository}, tag {tag}, digest {pushed}")

        def exists() -> bool:
            try:
                ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
            except ClientError:
                return False
            return True

        self._aws.images.register(uri, folder, exists)
        self._log.write(f"registered the sources as {uri}")


def _refusal(error: ClientError, repository: str, tag: str) -> str:
    """Say why ECR refused an image, in its words."""
    detail = error.response["Error"]
    if detail["Code"] in {"ImageAlreadyExistsException", "ImageTagAlreadyExistsException"}:
        return (
            f"tag invalid: The image tag '{tag}' already exists in the '{repository}' repository and cannot "
            "be overwritten because the repository is immutable."
        )
    if detail["Code"] == "RepositoryNotFoundException":
        return (
            f"name unknown: The repository with name '{repository}' does not exist in the registry with id '{ACCOUNT}'"
        )
    return str(detail.get("Message", detail["Code"]))
