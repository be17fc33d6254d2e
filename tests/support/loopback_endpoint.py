"""The loopback endpoint, which the benchmarks have too, by the names that tests use."""

from benchmarks.loopback import faults
from benchmarks.loopback.endpoint import REGION, Asked, Hosted, LoopbackEndpoint, Pace, Routers
from benchmarks.loopback.faults import Fault
from benchmarks.loopback.vectors import expected, tokens

__all__ = ["REGION", "Asked", "Fault", "Hosted", "LoopbackEndpoint", "Pace", "Routers", "expected", "faults", "tokens"]
