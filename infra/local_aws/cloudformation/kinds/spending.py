"""What may be spent: budgets."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

from typing import Any

from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, Properties, only
from local_aws.settings import ACCOUNT


class Budget(Kind):
    """A budget of the account, and who is told of it."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the budget."""
        name = properties["Budget"].get("BudgetName") or calls.name(100)
        self._make(calls, name, properties)
        return Physical(name)

    def _make(self, calls: Calls, name: str, properties: Properties) -> None:
        request: dict[str, Any] = {
            "AccountId": ACCOUNT,
            "Budget": {**properties["Budget"], "BudgetName": name},
            **only(properties, "NotificationsWithSubscribers"),
        }
        calls("budgets", "CreateBudget", request)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Make it again: moto cannot change one."""
        self.delete(calls, physical, before)
        self._make(calls, physical.id, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the budget."""
        calls.delete("budgets", "DeleteBudget", AccountId=ACCOUNT, BudgetName=physical.id)
