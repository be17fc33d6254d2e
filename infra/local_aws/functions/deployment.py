"""What a function is when it is called: its code on this disk, its settings, and the variables of its processes.

It knows moto's record of a function, and nothing of processes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local_aws.errors import ServiceError

_SDK: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: a function reaches this AWS, and nothing else
_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A function as it stands; another ``fingerprint`` is another state of it.

    **Units**: ``timeout_s`` seconds.
    """

    name: str
    region: str
    arn: str
    handler: str
    timeout_s: float
    memory_mb: int
    reserved: int | None
    log_group: str
    variables: Mapping[str, str]
    folder: Path
    sdk: Path
    fingerprint: str

    def environment(self, stream: str, aws: Mapping[str, str], scratch: Path) -> dict[str, str]:
        """Return all the variables of a process of the function: none is inherited."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "TMPDIR": str(scratch),
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "_HANDLER": self.handler,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": self.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            **self.variables,
            **aws,
        }


def deploy(function: Any, state_folder: Path) -> Deployment:
    """Unpack a function of moto's, where it is not yet, and return what it is.

    **Raises**: ``ServiceError`` for code that is no zip.
    """
    root = state_folder / "lambda"
    settings = function.get_configuration()
    digest = hashlib.sha256(json.dumps([settings, function.code_digest], sort_keys=True).encode()).hexdigest()
    logging = getattr(function, "logging_config", None) or {}
    with _LOCK:
        sdk = _link_sdk(root / "sdk")
        folder = _unpack(function.code_bytes, root / "code" / function.code_digest[:32], function.function_name)
    reserved = function.reserved_concurrency
    return Deployment(
        name=function.function_name,
        region=function.region,
        arn=settings["FunctionArn"].removesuffix(":$LATEST"),
        handler=settings["Handler"],
        timeout_s=float(settings["Timeout"]),
        memory_mb=int(settings["MemorySize"]),
        reserved=None if reserved is None else int(reserved),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{function.function_name}",
        variables=dict(function.environment_vars or {}),
        folder=folder,
        sdk=sdk,
        fingerprint=digest,
    )


def _unpack(code: bytes, folder: Path, name: str) -> Path:
    if not folder.exists():
        folder.mkdir(parents=True)
        try:
            with zipfile.ZipFile(io.BytesIO(code)) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile:
            folder.rmdir()
            message = f"Could not unzip uploaded file of {name}. Please check your file, then try to upload again."
            raise ServiceError("InvalidZipFileException", message, 502) from None
    return folder


def _link_sdk(folder: Path) -> Path:
    """Link boto3 and what it needs into a folder: a function sees these packages of this Python, and no others."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for name in _SDK:
            found = importlib.util.find_spec(name)
            if found is not None and found.origin is not None:
                origin = Path(found.origin)
                source = origin.parent if origin.name == "__init__.py" else origin
                (folder / source.name).symlink_to(source)
    return folder
