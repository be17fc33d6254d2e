"""What the patterns of the configuration allow, in words and with an example: a person need not read expressions."""

from __future__ import annotations

from typing import Final

from jina_v3_infra.config.fields import ARCHIVE, ARN, DATASET, EXPRESSION, NAME, PLACE, PREFIX, TIMEZONE, VARIABLE

PATTERN_WORDS: Final = {
    NAME: "letters, digits and single hyphens, beginning with a letter, 30 characters at most, such as jina-v3",
    ARN: "an ARN, such as arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    PREFIX: "letters, digits, dots, hyphens and underscores in parts between slashes, with none before, such as data/",
    PLACE: "a bucket, or a folder in it, with a slash at the end and no wildcard, such as s3://bucket/documents/",
    DATASET: "a folder s3://bucket/documents/ with a slash at the end, or a name in the own bucket, such as documents/",
    ARCHIVE: "an archive of the model in S3, such as s3://bucket/models/mine.tar.gz",
    EXPRESSION: "rate(), at(), or cron() with six fields, as EventBridge takes them, such as at(2027-01-31T03:00:00)",
    TIMEZONE: "the name of a time zone, such as Europe/Berlin",
    r"^[0-9a-f]{40}$": "the hub's commit, all 40 of its digits, such as 0123456789abcdef0123456789abcdef01234567",
    r"^[^\s:]+(:\d+)?/[^\s]+[:@][^\s]+$": (
        "registry/name:tag or registry/name@digest, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com/jina-v3:1"
    ),
    r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$": (
        "letters, digits and hyphens, with no hyphen at either end, 63 characters at most, such as search-live"
    ),
    VARIABLE: ("letters, digits and underscores, not beginning with a digit, such as JINA_V3_DEFAULT_TASK"),
    r"^(create|vpc-[0-9a-f]+)$": '"create", or the id of a VPC, such as vpc-0123456789abcdef0',
    r"^subnet-[0-9a-f]+$": "the id of a subnet, such as subnet-0123456789abcdef0",
    r"^sg-[0-9a-f]+$": "the id of a security group, such as sg-0123456789abcdef0",
    r"^\d+\.\d+\.\d+\.\d+/\d+$": "a block of addresses, such as 10.42.0.0/20",
    r"^[a-z]{2}(-[a-z]+)+-\d$": "the name of a region, such as us-east-1",
    r"^\d{12}$": "the 12 digits of an account, such as 123456789012",
    r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$": "letters, digits, spaces and _.:/=+-@, such as cost-centre",
    r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$": (
        "a key's ARN, no alias, such as arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    ),
}
"""By the pattern."""
