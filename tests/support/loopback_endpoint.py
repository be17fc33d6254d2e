"""The loopback endpoint, which the benchmarks have too, by the names that tests use."""

from benchmarks.loopback import faults
from benchmarks.loopback.endpoint import REGION, Asked, LoopbackEndpoint
from benchmarks.loopback.faults import Fault
from benchmarks.loopback.hosting import Hosted, Pace, Router
from benchmarks.loopback.vectors import expected, tokens

__all__ = ["REGION", "Asked", "Fault", "Hosted", "LoopbackEndpoint", "Pace", "Router", "expected", "faults", "tokens"]
