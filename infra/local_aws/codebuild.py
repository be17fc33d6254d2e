"""CodeBuild: projects, and builds that take time, write a log, and leave an image in ECR or say why not.

No command of a build specification is run. A build is given its source as a zip in S3 and the variable ``IMAGE_URI``;
what it does with them is in ``builds``.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from local_aws.builds import Build
from local_aws.errors import ServiceError
from local_aws.services import Operation, Service, add_service
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_STOP_S: Final = 60.0
_OVERRIDES: Final = frozenset(
    {
        "environmentVariablesOverride",
        "idempotencyToken",
        "projectName",
        "sourceLocationOverride",
        "sourceTypeOverride",
        "timeoutInMinutesOverride",
    }
)


def install(aws: LocalAws) -> None:
    """Have a local AWS answer CodeBuild."""
    operations = CodeBuild(aws).operations
    add_service(
        aws,
        Service(name="codebuild", signing_name="codebuild", operations=operations, invalid="InvalidInputException"),
    )


class CodeBuild:
    """The operations, on the projects and builds of every region."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._projects: dict[tuple[str, str], dict[str, Any]] = {}
        self._builds: dict[tuple[str, str], Build] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        aws.on_stop(self._stop)

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that there is, by its name in the API."""
        return {
            "BatchGetBuilds": self.batch_get_builds,
            "BatchGetProjects": self.batch_get_projects,
            "CreateProject": self.create_project,
            "DeleteProject": self.delete_project,
            "ListBuilds": self.list_builds,
            "ListBuildsForProject": self.list_builds,
            "ListProjects": self.list_projects,
            "StartBuild": self.start_build,
            "StopBuild": self.stop_build,
            "UpdateProject": self.update_project,
        }

    def _stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_S)

    # --- projects

    def create_project(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make a project."""
        name = parameters["name"]
        if (region, name) in self._projects:
            raise ServiceError("ResourceAlreadyExistsException", f"Project already exists: {name}")
        now = datetime.now(UTC)
        project = {
            "cache": {"type": "NO_CACHE"},
            "timeoutInMinutes": 60,
            "queuedTimeoutInMinutes": 480,
            "encryptionKey": f"arn:aws:kms:{region}:{ACCOUNT}:alias/aws/s3",
            "badge": {"badgeEnabled": False},
            **parameters,
            "arn": f"arn:aws:codebuild:{region}:{ACCOUNT}:project/{name}",
            "created": now,
            "lastModified": now,
        }
        self._projects[region, name] = project
        return {"project": project}

    def update_project(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change what is given of a project."""
        project = self._project(region, parameters["name"])
        project |= {**parameters, "lastModified": datetime.now(UTC)}
        return {"project": project}

    def delete_project(self, region: str, parameters: dict[str, Any]) -> Mapping[str, Any]:
        """Delete a project and what is known of its builds; one that is not there is deleted."""
        name = parameters["name"]
        self._projects.pop((region, name), None)
        for key, build in list(self._builds.items()):
            if key[0] == region and build.description["projectName"] == name:
                del self._builds[key]
        return {}

    def batch_get_projects(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Describe projects."""
        names = [name.rpartition("/")[2] if name.startswith("arn:") else name for name in parameters["names"]]
        return {
            "projects": [self._projects[region, name] for name in names if (region, name) in self._projects],
            "projectsNotFound": [name for name in names if (region, name) not in self._projects],
        }

    def list_projects(self, region: str, _parameters: dict[str, Any]) -> dict[str, Any]:
        """List the projects."""
        return {"projects": sorted(name for where, name in self._projects if where == region)}

    def _project(self, region: str, name: str) -> dict[str, Any]:
        if (region, name) not in self._projects:
            arn = f"arn:aws:codebuild:{region}:{ACCOUNT}:project/{name}"
            raise ServiceError("ResourceNotFoundException", f"Project cannot be found: {arn}")
        return self._projects[region, name]

    # --- builds

    def start_build(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Begin a build."""
        unknown = sorted(parameters.keys() - _OVERRIDES)
        if unknown:
            raise ServiceError(
                "InvalidInputException", f"the local AWS does not model {', '.join(unknown)} of StartBuild"
            )
        project = self._project(region, parameters["projectName"])
        earlier = [one for key, one in self._builds.items() if key[0] == region and one.project is project]
        identifier = f"{project['name']}:{uuid.uuid4()}"
        build = Build(self._aws, region, project, identifier, len(earlier) + 1, parameters, self._stopping)
        self._builds[region, identifier] = build
        thread = threading.Thread(target=build.run, name=f"build-{identifier}", daemon=True)
        self._threads = [running for running in self._threads if running.is_alive()] + [thread]
        thread.start()
        return {"build": build.describe()}

    def batch_get_builds(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Describe builds."""
        ids = parameters["ids"]
        return {
            "builds": [self._builds[region, one].describe() for one in ids if (region, one) in self._builds],
            "buildsNotFound": [one for one in ids if (region, one) not in self._builds],
        }

    def list_builds(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """List the builds, the latest first unless asked otherwise; those of one project where one is named."""
        wanted = parameters.get("projectName")
        found = [
            identifier
            for (where, identifier), build in self._builds.items()
            if where == region and wanted in {None, build.description["projectName"]}
        ]
        return {"ids": found if parameters.get("sortOrder") == "ASCENDING" else found[::-1]}

    def stop_build(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Have a build ended."""
        build = self._builds.get((region, parameters["id"]))
        if build is None:
            raise ServiceError("ResourceNotFoundException", f"Build cannot be found: {parameters['id']}")
        build.cancel()
        return {"build": build.describe()}
