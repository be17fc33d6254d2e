"""One input file of a transform job: from S3 in requests, and its answers, once they are all there, to S3."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from botocore.exceptions import ClientError

from local_aws.sagemaker.model_data import split_uri
from local_aws.sagemaker.transform.inputs import InputFile
from local_aws.sagemaker.transform.plan import Plan
from local_aws.sagemaker.transform.processing import ProcessingError
from local_aws.sagemaker.transform.records import Record, RecordTooLargeError, assemble, batch_records

CLIENT: Final = "ClientError"
ALGORITHM: Final = "AlgorithmError"


class FileError(Exception):
    """A file failed: whose fault it is (``kind``), what the data log says, and what the container said."""

    def __init__(self, kind: str, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.message = message


class TransformFile:
    """One file; what it has of the disk is below ``folder``, which is its own."""

    def __init__(self, s3: Any, source: InputFile, folder: Path, plan: Plan) -> None:
        self.source = source
        self.failure: FileError | None = None
        self._s3 = s3
        self._plan = plan
        self._folder = folder
        self._input = folder / "in"
        self._output = folder / "out"

    def read(self) -> Iterator[list[Record]]:
        """Yield the records of each request.

        **Raises**: ``FileError``.
        """
        plan = self._plan
        self._folder.mkdir(parents=True)
        try:
            found = self._s3.get_object(Bucket=self.source.bucket, Key=self.source.key)
            with self._input.open("wb") as kept:
                shutil.copyfileobj(found["Body"], kept)
            with cast("BinaryIO", gzip.open(self._input) if plan.unzips else self._input.open("rb")) as given:
                lines = given if plan.splits_lines else filter(None, [given.read()])
                records = (Record(line, plan.processing.ask(line)) for line in lines)
                single = plan.strategy == "SINGLE_RECORD"
                yield from batch_records(records, single=single, limit_bytes=plan.payload_bytes)
        except ClientError as error:
            raise FileError(CLIENT, f"Unable to read the object: {error.response['Error']['Message']}") from error
        except RecordTooLargeError as error:
            raise FileError(CLIENT, f"Too much data for max payload size: {error}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise FileError(CLIENT, f"Unable to decompress the object: {error}") from error
        except ProcessingError as error:
            raise FileError(CLIENT, f"Unable to process the data: {error}") from error

    def add(self, records: list[Record], answer: bytes) -> None:
        """Keep the answer to some of its records.

        **Raises**: ``FileError``.
        """
        try:
            kept = self._plan.processing.answer([record.given for record in records], answer)
        except ProcessingError as error:
            raise FileError(ALGORITHM, f"Unable to process the answer: {error}") from error
        with self._output.open("ab") as output:
            output.write(assemble(kept, lines=self._plan.assembles_lines))

    def upload(self, output: Mapping[str, str]) -> None:
        """Put the whole output where it belongs.

        **Raises**: ``FileError``.
        """
        self._output.touch()
        bucket, prefix = split_uri(output["S3OutputPath"])
        key = f"{prefix.rstrip('/')}/{self.source.relative}.out".lstrip("/")
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": output["KmsKeyId"]} if "KmsKeyId" in output else {}
        )
        try:
            with self._output.open("rb") as body:
                self._s3.put_object(Bucket=bucket, Key=key, Body=body, **encryption)
        except ClientError as error:
            raise FileError(CLIENT, f"Unable to write {key}: {error.response['Error']['Message']}") from error

    def remove(self) -> None:
        """Free the disk."""
        shutil.rmtree(self._folder, ignore_errors=True)
