"""Who is told when something is wrong, or costs more than it may: the topic of a deployment, and its budget.

They are the foundation's, beside bucket and key: whatever else stands (an endpoint, batch transform, both) tells the
one topic, and the budget is of all of it.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.tags import all_tags
from jina_v3_infra.stacks.topic import encrypted_topic

TELLING: Final = ("cloudwatch", "budgets")
"""The services that publish to the topic: alarms and the budget."""

_WARNINGS: Final = (("ACTUAL", 80), ("FORECASTED", 100))
"""Of what, at which percent of the budget."""


class Notices(Construct):
    """The topic, those who are subscribed to it, and the budget where there is one."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.topic = encrypted_topic(self, "Topic", key=key, title=f"Alarms of {deployment.name}", services=TELLING)
        for address in deployment.operations.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        if deployment.operations.monthly_budget_usd is not None:
            self._limit(deployment, deployment.operations.monthly_budget_usd)

    def _limit(self, deployment: Deployment, usd: float) -> None:
        """Watch what carries the deployment's tag; the account must have it as a cost allocation tag."""
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:deployment${all_tags(deployment)['deployment']}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=self.topic.topic_arn)
                    ],
                )
                for kind, percent in _WARNINGS
            ],
        )
        # AWS publishes to the topic when the budget is made
        budget.node.add_dependency(self.topic.node.find_child("Policy"))


def told_topics(scope: Construct, deployment: Deployment, own: str) -> list[sns.ITopic]:
    """Return the topics that alarms tell: the deployment's own, by its ARN, and the configuration's of this region.

    CloudWatch refuses an action in another region.
    """
    here = [arn for arn in deployment.operations.topics if arn.split(":")[3] == deployment.region]
    arns = [own, *here]
    return [sns.Topic.from_topic_arn(scope, f"Told{number}", arn) for number, arn in enumerate(arns)]
