"""Who calls, and where: credentials, regions, addresses and clocks, all as boto3 would have them.

Credentials come from botocore's standard chain (environment, profiles, SSO, roles, containers, machines), which also
refreshes them; addresses from its endpoint resolution (``AWS_ENDPOINT_URL…``, FIPS, dual stack, partitions).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from jina_v3_client._aws.errors import NAME_A_REGION, aws_errors, credential_errors
from jina_v3_client._aws.signing import Credentials
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.routing.targets import Endpoint, Target

if TYPE_CHECKING:
    import boto3

LEAST_SKEW: Final = timedelta(minutes=4)
"""Less than this is no reason for a refusal: AWS allows five minutes."""

_CONNECTIONS: Final = 32  # of each of boto3's clients


def utc_now() -> datetime:
    """Return the time by this machine's clock.

    >>> utc_now().tzinfo
    datetime.timezone.utc
    """
    return datetime.now(UTC)


class Access:
    """What is needed to call AWS as somebody; for many threads at once.

    Nothing is read before it is needed. A target that names a profile is called as that one.

    **Raises**: ``ConfigurationError`` for both a session and a profile.

    >>> Access(region="eu-west-1").region_of(Endpoint("texts"))
    'eu-west-1'
    """

    def __init__(
        self,
        session: boto3.Session | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if session is not None and profile is not None:
            raise ConfigurationError(f"profile is {profile!r}, but a session is given too; give one of them")
        self._profile = profile
        self._region = region
        self._clock = clock
        self._skews: dict[str, timedelta] = {}
        self._lock = threading.Lock()
        self._callers = {profile: Caller(profile, session)}
        self._addresses: dict[Target, str] = {}

    def __repr__(self) -> str:
        return f"<Access profile={self._profile!r} region={self._region!r}>"

    def begin_anew(self) -> None:
        """Forget what was found, as a child process must: another thread of its parent may hold any lock."""
        self._lock = threading.Lock()
        self._callers = {profile: caller.anew() for profile, caller in self._callers.items()}

    def region_of(self, target: Target | None = None) -> str:
        """Return a target's region: its own, or the client's, or the profile's.

        **Raises**: ``ConfigurationError`` where none of them says one.
        """
        caller = self._caller(target)
        region = (target.region if target is not None else None) or self._region or caller.region
        if region is None:
            raise ConfigurationError(
                "no AWS region is known",
                advice=NAME_A_REGION,
                target=target.label if target is not None else None,
            )
        return region

    def credentials(self, target: Target | None = None) -> Credentials:
        """Return the credentials to call a target with; looks for them, or refreshes them, where that is due.

        **Raises**: ``AccessError`` where there are none.
        """
        return self._caller(target).credentials(_label(target))

    def may_block(self, target: Target | None = None) -> bool:
        """Say whether ``credentials`` or ``url`` may take long now: an event loop then asks in a thread."""
        return (target is not None and target not in self._addresses) or self._caller(target).is_due

    def renew(self, target: Target, refused: Credentials) -> bool:
        """Get credentials anew after AWS refused some, and say whether there are others now.

        **Raises**: ``AccessError``.
        """
        return self._caller(target).renew(refused, _label(target))

    def url(self, target: Target) -> str:
        """Return the address of a target's invocations."""
        if target not in self._addresses:
            self._addresses[target] = self._resolve(target)
        return self._addresses[target]

    def client(self, service: str, region: str | None = None, *, target: Target | None = None) -> Any:
        """Return a boto3 client, the same one each time; it may be used from many threads.

        It calls as one calls the target, in the target's region unless another is named.
        """
        return self._caller(target).client(service, region or self.region_of(target))

    def now(self, region: str) -> datetime:
        """Return the time by a region's clock, as far as it was learned."""
        return self._clock() + self._skews.get(region, timedelta())

    def learn_clock(self, region: str, date: str | None, *, signed: datetime) -> bool:
        """Take a region's time from a ``Date`` header, and say whether a request was signed with too wrong a one."""
        try:
            server = parsedate_to_datetime(date or "")
        except ValueError:
            return False
        if server.tzinfo is None or abs(server - signed) < LEAST_SKEW:
            return False
        self._skews[region] = server - self._clock()
        return True

    def _resolve(self, target: Target) -> str:
        service, operation, parameters = (
            ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": target.name})
            if isinstance(target, Endpoint)
            else (
                "sagemaker-inference-router-runtime",
                "invoke_inference_router",
                {"InferenceRouterName": target.name, "RoutingTargetName": target.routing_target},
            )
        )
        with aws_errors(target=target.label):
            client = self._caller(target).client(service, self.region_of(target), signed=False)
            address: str = client.generate_presigned_url(operation, Params={**parameters, "Body": b""})
        return address

    def _caller(self, target: Target | None) -> Caller:
        profile = target.profile if target is not None and target.profile is not None else self._profile
        try:
            return self._callers[profile]
        except KeyError:
            with self._lock:
                return self._callers.setdefault(profile, Caller(profile, None))


class Caller:
    """One profile: its session, credentials and clients."""

    def __init__(self, profile: str | None, session: boto3.Session | None) -> None:
        self._profile = profile
        self._given = session
        self._own: boto3.Session | None = None
        self._found: Any = None  # botocore's credentials, which refresh themselves
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._lock = threading.RLock()

    def anew(self) -> Caller:
        """Return the same caller, who has found nothing yet."""
        return Caller(self._profile, self._given)

    @property
    def region(self) -> str | None:
        """The profile's, or the environment's."""
        with self._lock, aws_errors():
            region: str | None = self._session().region_name
            return region

    @property
    def is_due(self) -> bool:
        """Whether credentials must be looked for, or refreshed."""
        if self._found is None:
            return True
        refresh_needed = getattr(self._found, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed())

    def credentials(self, target: str | None) -> Credentials:
        """Return what is good now."""
        with credential_errors(target):
            frozen = (self._found or self._find()).get_frozen_credentials()
        return Credentials(access_key=frozen.access_key, secret_key=frozen.secret_key, token=frozen.token)

    def renew(self, refused: Credentials, target: str | None) -> bool:
        """Get credentials anew, once for all that were refused with the same ones."""
        with self._lock:
            if self.credentials(target) == refused:
                with credential_errors(target):
                    self._get_anew()
            return self.credentials(target) != refused

    def client(self, service: str, region: str, *, signed: bool = True) -> Any:
        """Return the client of a service; one that does not sign needs no credentials."""
        key = service, region, signed
        if key not in self._clients:
            with self._lock, aws_errors():  # a session makes clients for one thread at a time
                if key not in self._clients:
                    self._clients[key] = self._session().client(service, region_name=region, config=_config(signed))
        return self._clients[key]

    def _session(self) -> Any:
        if self._given is not None:
            return self._given
        if self._own is None:
            import boto3

            with aws_errors():
                self._own = boto3.Session(profile_name=self._profile)
        return self._own

    def _find(self) -> Any:
        from botocore.exceptions import NoCredentialsError

        with self._lock:
            self._found = self._found or self._session().get_credentials()
        if self._found is None:
            raise NoCredentialsError
        return self._found

    def _get_anew(self) -> None:
        if self._given is None:
            self._own = self._found = None  # another session reads files and asks programs again
        elif hasattr(self._found, "_protected_refresh"):
            # botocore refreshes by its own clock alone, and has no public way to be told
            with self._found._refresh_lock:
                self._found._protected_refresh(is_mandatory=True)


def _config(signed: bool) -> Any:
    import botocore
    from botocore.config import Config

    return Config(
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "max_attempts": 5},
        signature_version=None if signed else botocore.UNSIGNED,
    )


def _label(target: Target | None) -> str | None:
    return target.label if target is not None else None
