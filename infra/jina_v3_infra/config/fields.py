"""The forms that fields of the configuration share: names, ARNs, places, seconds."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

NAME = r"^[a-zA-Z](-?[a-zA-Z0-9]){0,29}$"
ARN = r"^arn:aws[a-z-]*:"
KEY_ARN = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$"
"""Of the key itself: a policy takes no alias."""
PREFIX = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?$"
"""Of a bucket's part: no slash before it, and nothing that a policy would read as a wildcard."""
PLACE = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_.=+@-]+/)*$"
"""Of S3: a bucket, or a folder in it."""
DATASET = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_.=+@-]+/)*|[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?)$"
ARCHIVE = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_.=+@-]+/)*[A-Za-z0-9_.=+@-]+\.tar\.gz$"
EXPRESSION = (
    r"^(rate\([1-9][0-9]* (minutes?|hours?|days?)\)|cron\([^ ()]+( [^ ()]+){5}\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))$"
)
TIMEZONE = r"^[A-Za-z0-9_+/-]{1,50}$"
VARIABLE = r"^[a-zA-Z_][a-zA-Z0-9_]{0,1023}$"
TAG = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$"
"""AWS's own, in the syntax that pydantic's engine shares with it: letters, digits and spaces of any script."""

Name: TypeAlias = Annotated[str, Field(pattern=NAME)]
StartupSeconds: TypeAlias = Annotated[int, Field(ge=60, le=3600)]
Setting: TypeAlias = Annotated[str, Field(max_length=1024, coerce_numbers_to_str=True)]
WaitSeconds: TypeAlias = Annotated[int, Field(ge=0, le=3600)]
