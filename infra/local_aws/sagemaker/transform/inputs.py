"""The files of a transform job: the keys under a prefix or in a manifest, and where the output of each goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker.model_data import split_uri


class InputsError(Exception):
    """The files can not be listed: the manifest is none, or what it is about is not there."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One object, and its name below the prefix, by which its output is called."""

    bucket: str
    key: str
    relative: str

    @property
    def place(self) -> str:
        """How the data log calls it."""
        return f"{self.bucket}/{self.key}"


def has_inputs(s3: Any, source: Mapping[str, str]) -> bool:
    """Say whether there is an object under the prefix, or the manifest."""
    bucket, key = split_uri(source["S3Uri"])
    try:
        if source["S3DataType"] == "ManifestFile":
            s3.head_object(Bucket=bucket, Key=key)
            return True
        return bool(s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents"))
    except ClientError:
        return False


def list_inputs(s3: Any, source: Mapping[str, str]) -> list[InputFile]:
    """Return the files in their order: S3's, or the manifest's.

    **Raises**: ``InputsError``.
    """
    try:
        if source["S3DataType"] == "ManifestFile":
            return _read_manifest(s3, source["S3Uri"])
        return _list_prefix(s3, source["S3Uri"])
    except ClientError as error:
        raise InputsError(f"{source['S3Uri']}: {error.response['Error'].get('Message', error)}") from error


def _list_prefix(s3: Any, uri: str) -> list[InputFile]:
    bucket, prefix = split_uri(uri)
    base = len(prefix[: prefix.rfind("/") + 1])
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return [InputFile(bucket, key, key[base:]) for key in keys if not key.endswith("/")]


def _read_manifest(s3: Any, uri: str) -> list[InputFile]:
    """Read ``[{"prefix": "s3://bucket/folder/"}, "a.jsonl", "b/c.jsonl"]``."""
    bucket, key = split_uri(uri)
    try:
        first, *names = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = split_uri(first["prefix"])
        return [InputFile(bucket, prefix + name, name) for name in names]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputsError(
            f"The manifest {uri} is not valid: it must be a JSON array of an object with a prefix, and names below it"
        ) from error
