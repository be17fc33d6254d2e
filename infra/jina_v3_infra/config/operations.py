"""Operating it: who is told, what is too much, what is kept and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsSettings:
    """Alarms, the dashboard, the budget and how long logs are kept."""

    dashboard: Annotated[bool, Field(description="make a dashboard of the deployment in CloudWatch")] = True
