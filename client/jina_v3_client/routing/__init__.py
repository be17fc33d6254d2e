"""Whom to ask: targets, policies over them, and what is known of their health."""

from jina_v3_client.routing.health import Report, Routing
from jina_v3_client.routing.policies import (
    ByTask,
    Candidate,
    Choice,
    Failover,
    Hedged,
    LeastOutstanding,
    Only,
    Policy,
    View,
    Weighted,
    as_policy,
)
from jina_v3_client.routing.targets import Endpoint, InferenceRouter, Target

__all__ = [
    "ByTask",
    "Candidate",
    "Choice",
    "Endpoint",
    "Failover",
    "Hedged",
    "InferenceRouter",
    "LeastOutstanding",
    "Only",
    "Policy",
    "Report",
    "Routing",
    "Target",
    "View",
    "Weighted",
    "as_policy",
]
