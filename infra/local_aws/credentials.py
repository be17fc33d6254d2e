"""The access keys that this AWS knows: its own pair, roles that were assumed, and users' keys."""

from __future__ import annotations

from datetime import UTC

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local_aws.settings import ACCESS_KEY, ACCOUNT, SECRET_KEY
from local_aws.signing import Secret


def find_secret(access_key: str) -> Secret | None:
    """Return what belongs to an access key, ``None`` where there is no such key."""
    if access_key == ACCESS_KEY:
        return Secret(key=SECRET_KEY)
    for role in sts_backends[ACCOUNT]["aws"].assumed_roles:
        if role.access_key_id == access_key:
            expires = role.expiration.replace(tzinfo=UTC)
            return Secret(key=role.secret_access_key, token=role.session_token, expires=expires)
    for user in iam_backends[ACCOUNT]["aws"].users.values():
        for key in user.access_keys:
            if key.access_key_id == access_key and key.status == "Active":
                return Secret(key=key.secret_access_key)
    return None
