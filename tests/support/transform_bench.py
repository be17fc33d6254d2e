"""What the tests of transform jobs do again and again."""

import hashlib
import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

from tests.support.sagemaker_bench import IMAGE, ROLE, Bench, until

GROUP = "/aws/sagemaker/TransformJobs"


class TransformBench:
    """Buckets ``data`` and ``out`` beside a bench's own, and a model whose data is an archive."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.aws = bench.aws
        self.sagemaker = bench.sagemaker
        for bucket in ("data", "out"):
            bench.s3.create_bucket(Bucket=bucket)
        self.put_archive("packed.tar.gz", {"weights": "packed"})
        self.model = self.create_model()

    def put_archive(self, key: str, files: dict[str, str]) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self.bench.s3.put_object(Bucket="models", Key=key, Body=packed.getvalue())
        return f"s3://models/{key}"

    def create_model(self, data: str = "s3://models/packed.tar.gz", **environment: str) -> str:
        name = f"model-{uuid.uuid4().hex[:8]}"
        container = {"Image": IMAGE, "ModelDataUrl": data, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    def put(self, files: dict[str, bytes]) -> str:
        """Put files into a prefix of their own and return its URI."""
        prefix = f"in-{uuid.uuid4().hex[:8]}/"
        for name, body in files.items():
            self.bench.s3.put_object(Bucket="data", Key=prefix + name, Body=body)
        return f"s3://data/{prefix}"

    def create(self, source: str, **changes: Any) -> str:
        """Create a job of JSON lines; ``changes`` are members of the request, ``TransformInput``'s merged."""
        name = changes.pop("TransformJobName", f"job-{uuid.uuid4().hex[:8]}")
        given = {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
        }
        output = {"S3OutputPath": f"s3://out/{name}", "Accept": "application/jsonlines", "AssembleWith": "Line"}
        request = {
            "TransformJobName": name,
            "ModelName": self.model,
            "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
            **changes,
            "TransformInput": {**given, **changes.get("TransformInput", {})},
            "TransformOutput": {**output, **changes.get("TransformOutput", {})},
        }
        self.sagemaker.create_transform_job(**{key: value for key, value in request.items() if value is not None})
        return name

    def wait(self, job: str, *statuses: str, limit_s: float = 120) -> dict[str, Any]:
        """Wait until a job has ended, or has one of these statuses, and return its description."""

        def look() -> dict[str, Any] | None:
            described: dict[str, Any] = self.sagemaker.describe_transform_job(TransformJobName=job)
            ended = described["TransformJobStatus"] in (statuses or ("Completed", "Failed", "Stopped"))
            return described if ended else None

        return until(look, limit_s)

    def run(self, source: str, **changes: Any) -> dict[str, Any]:
        return self.wait(self.create(source, **changes))

    def outputs(self, job: str) -> dict[str, bytes]:
        """Return what lies below a job's output path."""
        listed = self.bench.s3.list_objects_v2(Bucket="out", Prefix=f"{job}/").get("Contents", [])
        keys = [item["Key"] for item in listed]
        return {
            key.removeprefix(f"{job}/"): self.bench.s3.get_object(Bucket="out", Key=key)["Body"].read() for key in keys
        }

    def logged(self, job: str) -> dict[str, list[str]]:
        """Return the lines of a job's streams, by what follows the instance in their names."""
        logs = self.bench.connect("logs")
        lines: dict[str, list[str]] = {}
        for stream in logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]:
            name = stream["logStreamName"]
            events = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)["events"]
            rest = name.removeprefix(f"{job}/").partition("/")[2]
            lines.setdefault(rest, []).extend(event["message"] for event in events)
        return lines

    def processes(self) -> list[Path]:
        """Return the processes of containers that run on behalf of transform jobs."""
        folder = str(self.aws.settings.state_folder / "transform").encode()
        return [path for path in Path("/proc").glob("[0-9]*/environ") if folder in _read(path)]

    def asked(self, job: str) -> list[dict[str, Any]]:
        """Return what the container says of each request that it got."""
        lines = self.logged(job)[""]
        return [json.loads(line.removeprefix("asked ")) for line in lines if line.startswith("asked ")]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is not ours
        return b""


def rows(count: int, start: int = 0, **more: Any) -> bytes:
    return b"".join(json.dumps({"id": start + n, **more}).encode() + b"\n" for n in range(count))


def answers(body: bytes) -> bytes:
    """Return what the tiny container's answers to a file must be, line by line."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    return b"".join(b'{"sha":"%s"}\n' % hashlib.sha1(line).hexdigest().encode() for line in lines)
