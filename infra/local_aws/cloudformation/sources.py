"""What a stack is to be made from: the template of a request, its parameters and tags."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from local_aws.cloudformation.intrinsics import TemplateError
from local_aws.cloudformation.stacks import Region, Source, Stack
from local_aws.cloudformation.template import parse_template, resolve_parameters
from local_aws.errors import ServiceError

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_NONE: Final[Mapping[str, str]] = {}


class Sources:
    """Reads templates from requests and S3, and parameters from Systems Manager."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def read(self, region: Region, parameters: dict[str, Any], previous: Stack | None) -> Source:
        """Return what a request says a stack is made from; a ``previous`` one gives what it leaves out.

        **Raises**: ``ServiceError``.
        """
        body = self.read_body(region, parameters, previous)
        template = parse_body(body)
        known: Mapping[str, str] = _NONE if previous is None else previous.source.given
        given = {}
        for parameter in parameters.get("Parameters") or ():
            key = parameter["ParameterKey"]
            if not parameter.get("UsePreviousValue"):
                given[key] = parameter.get("ParameterValue", "")
            elif key in known:
                given[key] = known[key]  # one that had its default before has it again
        try:
            resolved = resolve_parameters(template, given, lambda name: self._read_parameter(region, name))
        except TemplateError as error:
            raise ServiceError("ValidationError", str(error)) from None
        if parameters.get("Tags") is None and previous is not None:
            tags = previous.source.tags
        else:
            tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags") or ()}
        return Source(body=body, template=template, given=given, parameters=resolved, tags=tags)

    def read_body(self, region: Region, parameters: dict[str, Any], previous: Stack | None) -> str:
        """Return the text of the template that a request gives, or means.

        **Raises**: ``ServiceError``.
        """
        if parameters.get("TemplateBody"):
            return str(parameters["TemplateBody"])
        if parameters.get("TemplateURL"):
            return self._fetch(region, parameters["TemplateURL"])
        if previous is not None and (parameters.get("UsePreviousTemplate") or "StackName" in parameters):
            return previous.source.body
        raise ServiceError("ValidationError", "Either Template URL or Template Body must be specified.")

    def _fetch(self, region: Region, url: str) -> str:
        bucket, key = _split_url(url)
        try:
            found = self._aws.client("s3", region.name).get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise ServiceError("ValidationError", f"S3 error: {error.response['Error'].get('Message')} {url}") from None
        return str(found["Body"].read().decode())

    def _read_parameter(self, region: Region, name: str) -> str:
        try:
            return str(self._aws.client("ssm", region.name).get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError:
            raise TemplateError(f"Unable to fetch parameters [{name}] from parameter store for this account.") from None


def parse_body(body: str) -> dict[str, Any]:
    """Read a template.

    **Raises**: ``ServiceError``.
    """
    try:
        return parse_template(body)
    except TemplateError as error:
        raise ServiceError("ValidationError", str(error)) from None


def _split_url(url: str) -> tuple[str, str]:
    """Split an S3 URL, with the bucket in the host's name or in the path, in bucket and key."""
    parts = urllib.parse.urlsplit(url)
    host, path = parts.hostname or "", urllib.parse.unquote(parts.path.lstrip("/"))
    virtual = re.fullmatch(r"(.+)\.(s3[.-].*amazonaws\.com|localhost)", host)
    bucket, key = (virtual[1], path) if virtual else tuple(path.split("/", 1)) if "/" in path else ("", "")
    if not bucket or not key:
        raise ServiceError("ValidationError", f"TemplateURL must be a supported URL, not {url}")
    return bucket, key
