"""Whom to trust: the machine's own certificates and the usual authorities, or what ``AWS_CA_BUNDLE`` names."""

from __future__ import annotations

import os
import ssl


def trusting_context() -> ssl.SSLContext:
    """Return a context that verifies servers; ``AWS_CA_BUNDLE`` takes the place of everything else."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle:
        return ssl.create_default_context(cafile=bundle)
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(cafile=certifi.where())  # a Python may find none of the machine's
    return context
