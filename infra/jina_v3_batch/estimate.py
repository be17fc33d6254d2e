"""What a run will take: tokens, hours and dollars, from a sample, with the assumptions named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from jina_v3_batch.settings import Settings

BYTES_PER_TOKEN: Final = 3.5
"""Of UTF-8 text, over many languages; English has about 4.2, Chinese about 3."""
_MAX_TOKENS: Final = 8192
START_S: Final = 600
"""From a job's beginning to its first vector: the machine, the image, the model. It is not billed before the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """**Units**: ``hours`` by the clock, ``machine_hours`` over all machines; ``usd`` None where no price is known."""

    records: int
    tokens: int
    hours: float
    machine_hours: float
    usd: float | None
    assumptions: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "assumptions": list(self.assumptions)}


def tokens_of(text_bytes: float) -> float:
    """Return about how many tokens a text of so many bytes has."""
    return min(_MAX_TOKENS, 2 + text_bytes / BYTES_PER_TOKEN)


def estimate(
    settings: Settings, *, records: float, text_bytes: float, jobs: int, instances: int, assumed: tuple[str, ...] = ()
) -> Estimate:
    """Estimate a run of so many records, whose texts have so many bytes on average."""
    tokens = records * tokens_of(text_bytes)
    working_s = tokens / settings.tokens_per_s
    lanes = max(1, min(jobs, settings.jobs))
    rounds = -(-jobs // lanes)
    machine_hours = (working_s + jobs * instances * START_S) / 3600
    return Estimate(
        records=round(records),
        tokens=round(tokens),
        hours=round((working_s / (lanes * instances) + rounds * START_S) / 3600, 3),
        machine_hours=round(machine_hours, 3),
        usd=None if settings.usd_per_hour is None else round(machine_hours * settings.usd_per_hour, 2),
        assumptions=(
            *assumed,
            f"one token for {BYTES_PER_TOKEN} bytes of text",
            f"{settings.tokens_per_s:,.0f} tokens/s on one {settings.instance_type}",
            f"{START_S // 60} minutes for a job's machines to start",
        ),
    )
