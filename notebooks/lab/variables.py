"""The variables of this process that say which AWS it calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from demo.shell import leave_own_accounts


@contextmanager
def no_other_aws() -> Iterator[None]:
    """Take away, for a while, what says which AWS to call and how: profiles, credentials, addresses, proxies."""
    before = {name: value for name, value in os.environ.items() if _is_about_aws(name)}
    leave_own_accounts()
    boto3.DEFAULT_SESSION = None  # it keeps the credentials that it has found once
    try:
        yield
    finally:
        for name in [name for name in os.environ if _is_about_aws(name)]:
            del os.environ[name]
        os.environ.update(before)
        boto3.DEFAULT_SESSION = None


def _is_about_aws(name: str) -> bool:
    return name.startswith("AWS_") or name.lower() == "no_proxy"
