"""What a deployment costs an hour, a month and a million tokens: arithmetic over prices, its assumptions named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from jina_v3_infra.config import BatchSettings, Deployment, InstanceType, VariantSettings
from jina_v3_infra.config.instances import PRICES_FROM, instance_type
from jina_v3_infra.deploy.prices import FROM_LIST, Prices
from jina_v3_infra.throughput import SEQUENCE_TOKENS, UTILISATION, tokens_per_s

HOURS_PER_MONTH: Final = 730
INTERFACE_ENDPOINTS: Final = 1
"""In each zone of a new VPC: SageMaker's runtime. That for S3 is a gateway, which costs nothing."""

INTERFACE_ENDPOINT_USD_PER_HOUR: Final = 0.01
"""Of one interface endpoint in one zone, in us-east-1; elsewhere up to half as much again."""

KEY_USD_PER_MONTH: Final = 1.0
STORAGE_USD_PER_GB_MONTH: Final = 0.023


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCost:
    """What one variant's machines cost; ``None`` where the price, or the GPU's speed, is not known."""

    variant: str
    machine: str
    least: int
    most: int
    usd_per_hour: float | None
    source: str
    usd_per_million_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What batch runs cost: nothing by themselves, and by the hour of each machine while one runs."""

    machine: str
    most: int
    usd_per_hour: float | None
    source: str
    usd_per_million_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a deployment costs while it stands, calls or no calls; ``runs`` cost only while they run."""

    variants: tuple[VariantCost, ...]
    network_usd_per_hour: float
    runs: RunCost | None = None
    regions: int = 1

    def with_second(self, second: CostEstimate, region: str) -> CostEstimate:
        """Add what the second region costs; runs are the first region's."""
        there = tuple(replace(one, variant=f"{one.variant} in {region}") for one in second.variants)
        return replace(
            self,
            variants=self.variants + there,
            network_usd_per_hour=self.network_usd_per_hour + second.network_usd_per_hour,
            regions=self.regions + second.regions,
        )

    @property
    def least_usd_per_hour(self) -> float | None:
        """With every variant at its minimum."""
        return self._sum([(one.least, one.usd_per_hour) for one in self.variants])

    @property
    def most_usd_per_hour(self) -> float | None:
        """With every variant at its maximum."""
        return self._sum([(one.most, one.usd_per_hour) for one in self.variants])

    def _sum(self, counts: list[tuple[int, float | None]]) -> float | None:
        total = self.network_usd_per_hour
        for count, usd_per_hour in counts:
            if usd_per_hour is None:
                return None
            total += count * usd_per_hour
        return total


def estimate_costs(deployment: Deployment, prices: Prices) -> CostEstimate:
    """Work out the cost of a deployment."""
    network_usd_per_hour = 0.0
    endpoint = deployment.endpoint
    if deployment.network.vpc == "create" and endpoint.enabled:  # transform jobs use no interface
        network_usd_per_hour = INTERFACE_ENDPOINTS * deployment.network.zones * INTERFACE_ENDPOINT_USD_PER_HOUR
    return CostEstimate(
        variants=tuple(_variant_cost(variant, prices) for variant in endpoint.variants) if endpoint.enabled else (),
        network_usd_per_hour=network_usd_per_hour,
        runs=None if deployment.batch is None else _run_cost(deployment.batch, prices),
    )


def usd_per_million_tokens(machine: InstanceType, usd_per_hour: float) -> float | None:
    """Return the cost of a million tokens on a machine that is never idle; ``None`` without a known GPU."""
    speed = None if machine.gpu is None else tokens_per_s(machine)
    return None if speed is None else usd_per_hour / 3600 / speed * 1e6


def _variant_cost(variant: VariantSettings, prices: Prices) -> VariantCost:
    usd_per_hour = prices.usd_per_hour(variant.instance_type)
    machine = instance_type(variant.instance_type)
    return VariantCost(
        variant=variant.name,
        machine=variant.instance_type,
        least=variant.scaling.min,
        most=variant.scaling.max,
        usd_per_hour=usd_per_hour,
        source=prices.source(variant.instance_type),
        usd_per_million_tokens=None if usd_per_hour is None else usd_per_million_tokens(machine, usd_per_hour),
    )


def _run_cost(batch: BatchSettings, prices: Prices) -> RunCost:
    name = batch.instance_type
    usd_per_hour = prices.usd_per_job_hour(name)
    return RunCost(
        machine=name,
        most=batch.jobs * batch.instances,
        usd_per_hour=usd_per_hour,
        source=FROM_LIST if name in prices.listed_jobs else PRICES_FROM,
        usd_per_million_tokens=(
            None if usd_per_hour is None else usd_per_million_tokens(instance_type(name), usd_per_hour)
        ),
    )


def describe_costs(estimate: CostEstimate) -> Iterator[str]:
    """Yield the estimate as lines for a person."""
    for one in estimate.variants:
        if one.usd_per_hour is None:
            yield f"{one.variant}: the price of {one.machine} is not known here; see AWS's pricing page of SageMaker"
            continue
        yield f"{one.variant}: {one.machine} at ${one.usd_per_hour:.4f} an hour ({one.source})"
        if one.usd_per_million_tokens is not None:
            yield (
                f"{one.variant}: about ${one.usd_per_million_tokens:.4f} per million tokens: an estimate, not "
                f"measured, for a GPU that is never idle, at an assumed {UTILISATION:.0%} of its peak "
                f"and {SEQUENCE_TOKENS} tokens a text"
            )
    if estimate.network_usd_per_hour:
        yield (
            f"network: about ${estimate.network_usd_per_hour:.2f} an hour for the new VPC's interface endpoints: an "
            f"estimate, {INTERFACE_ENDPOINTS} in each zone at ${INTERFACE_ENDPOINT_USD_PER_HOUR} an hour"
        )
    if estimate.runs is not None:
        yield from _describe_runs(estimate.runs)
    yield f"all: {summarise_costs(estimate)}"
    keys = "the key" if estimate.regions == 1 else f"the keys of {estimate.regions} regions"
    usd_per_month = KEY_USD_PER_MONTH * estimate.regions
    yield f"beside it, about ${usd_per_month:.0f} a month for {keys}, and storage, logs, alarms and traffic by use"


def _describe_runs(runs: RunCost) -> Iterator[str]:
    if runs.usd_per_hour is None:
        yield f"batch runs: the price of {runs.machine} is not known here; see AWS's pricing page of SageMaker"
        return
    yield (
        f"batch runs: {runs.machine} at ${runs.usd_per_hour:.4f} for each machine and hour ({runs.source}), "
        f"{runs.most} at a time at most, and nothing while none runs"
    )
    if runs.usd_per_million_tokens is not None:
        yield f"batch runs: about ${runs.usd_per_million_tokens:.4f} per million tokens, by the same estimate"


def summarise_costs(estimate: CostEstimate) -> str:
    """Say what it costs with the fewest and with the most machines."""
    if not estimate.variants:
        return "nothing by the hour while no batch run goes on"
    least, most = estimate.least_usd_per_hour, estimate.most_usd_per_hour
    if least is None or most is None:
        return "not known, since a price is missing"
    if least == 0:
        return f"nothing by the hour while nobody calls, {_both(most)} with the most machines"
    if least == most:
        return f"{_both(least)}, whether or not it is called"
    return f"{_both(least)} with the fewest machines, {_both(most)} with the most"


def _both(usd_per_hour: float) -> str:
    return f"${usd_per_hour:.2f} an hour (${usd_per_hour * HOURS_PER_MONTH:,.0f} a month)"
