"""What boto3 raises, as errors of ours: for credentials, CloudFormation, S3 and all else that is not an invocation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    JinaClientError,
    OverloadedError,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_LOG_IN: Final = (
    "log in (aws sso login), name a profile (profile=… or AWS_PROFILE), set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or run with a role"
)
NAME_A_REGION: Final = "give region=…, set AWS_DEFAULT_REGION, or name one in the profile (aws configure)"
_REFUSED: Final = {
    "AccessDenied": "the credentials may not do this",
    "AccessDeniedException": "the credentials may not do this",
    "AuthFailure": "AWS does not know these credentials",
    "ExpiredToken": "the credentials have expired",
    "ExpiredTokenException": "the credentials have expired",
    "InvalidAccessKeyId": "AWS does not know this access key",
    "InvalidClientTokenId": "AWS does not know this access key",
    "InvalidSignatureException": "the secret key does not belong to the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "UnrecognizedClientException": "AWS does not know this access key",
    "403": "the credentials may not do this",
}
_UNSIGNED: Final = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_SKEW: Final = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)
_CHECK_KEYS: Final = "check AWS_SECRET_ACCESS_KEY, or the profile"
THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}
)
"""What the services call too many calls."""


@contextmanager
def aws_errors(*, target: str | None = None) -> Iterator[None]:
    """Raise what botocore raises within as one of our errors.

    botocore's own errors are not chained: what a program of ``credential_process`` prints may hold anything.

    >>> from botocore.exceptions import NoCredentialsError
    >>> with aws_errors(target="eu-west-1/texts"):
    ...     raise NoCredentialsError
    Traceback (most recent call last):
    jina_v3_client.errors.AccessError: no AWS credentials were found; log in (aws sso login), name a profile \
(profile=… or AWS_PROFILE), set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role (eu-west-1/texts)
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(error, target) from None
    except BotoCoreError as error:
        raise _failed(error, target) from None
    except ValueError as error:  # botocore's only word for such an address, which may hold a password
        if not str(error).startswith("Invalid endpoint"):
            raise
        raise ConfigurationError(
            "the address of an AWS service is no URL",
            advice="make AWS_ENDPOINT_URL… of the environment, or endpoint_url of the profile, http://HOST or https://HOST",
            target=target,
        ) from None


@contextmanager
def credential_errors(target: str | None) -> Iterator[None]:
    """Raise whatever a provider of credentials raises within as one of our errors, and nothing of its text.

    >>> with credential_errors("eu-west-1/texts"):
    ...     raise ValueError("the secret is wJalrXUtnFEMI")
    Traceback (most recent call last):
    jina_v3_client.errors.AccessError: AWS credentials could not be had (ValueError); \
see what `aws sts get-caller-identity` says (eu-west-1/texts)
    """
    try:
        with aws_errors(target=target):
            yield
    except JinaClientError:
        raise
    except Exception as error:  # noqa: BLE001  # a program's output that is no JSON, a program that is not there, …
        raise _unavailable(error, target) from None


def _refused(error: ClientError, target: str | None) -> JinaClientError:
    """Explain what a service of AWS answered."""
    code, told = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    facts: dict[str, Any] = {
        "target": target,
        "request_id": error.response.get("ResponseMetadata", {}).get("RequestId"),
    }
    what = f"{error.operation_name}: {code}: {told}"
    if code in _SKEWED or (code in _UNSIGNED and _SKEW.search(told)):
        return AccessError(f"this machine's clock is wrong ({what})", advice="set it, as by NTP", **facts)
    if code in _REFUSED:
        may_not = _REFUSED[code].endswith("do this")
        other = _CHECK_KEYS if code in _UNSIGNED else _LOG_IN
        advice = f"allow the action {error.operation_name}" if may_not else other
        return AccessError(f"{_REFUSED[code]} ({what})", advice=advice, **facts)
    if code in THROTTLED:
        return OverloadedError(f"AWS throttles calls ({what})", advice="try again later", **facts)
    return JinaClientError(what, **facts)


def _failed(error: Exception, target: str | None) -> JinaClientError:
    """Explain what botocore could not do by itself."""
    from botocore import exceptions as boto

    name = type(error).__name__
    match error:
        case boto.NoCredentialsError():
            return AccessError("no AWS credentials were found", advice=_LOG_IN, target=target)
        case boto.PartialCredentialsError():
            return AccessError(f"the AWS credentials are not whole: {error}", advice=_LOG_IN, target=target)
        case boto.SSOError() | boto.TokenRetrievalError():
            return AccessError(f"the AWS login has ended ({name})", advice="log in: aws sso login", target=target)
        case boto.LoginError():
            return AccessError(f"the AWS login has ended ({name})", advice="log in: aws login", target=target)
        case boto.NoRegionError():
            return ConfigurationError("no AWS region is known", advice=NAME_A_REGION, target=target)
        case boto.ProfileNotFound() | boto.InvalidRegionError() | boto.EndpointVariantError():
            return ConfigurationError(str(error), advice="see ~/.aws/config", target=target)
        case boto.ProxyConnectionError():
            told = "AWS could not be reached: the proxy does not answer"
            return ConnectionFailedError(told, advice="see HTTPS_PROXY, HTTP_PROXY and NO_PROXY", target=target)
        case boto.HTTPClientError() | boto.ConnectionError():
            host = urlsplit(str(error.kwargs.get("endpoint_url", ""))).netloc.rpartition("@")[2]
            where = f" at {host}" if host else ""
            advice = "see the network, a proxy, and AWS_ENDPOINT_URL"
            return ConnectionFailedError(f"AWS could not be reached{where} ({name})", advice=advice, target=target)
        case boto.CredentialRetrievalError() | boto.MetadataRetrievalError() | boto.InvalidConfigError():
            return _unavailable(error, target)
    return JinaClientError(f"{name}: {error}", target=target)


def _unavailable(error: Exception, target: str | None) -> AccessError:
    return AccessError(
        f"AWS credentials could not be had ({type(error).__name__})",
        advice="see what `aws sts get-caller-identity` says",
        target=target,
    )
