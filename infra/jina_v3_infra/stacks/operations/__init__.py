"""What alarms and dashboards are made of, who is told, and the budget; of endpoint and batch transform alike."""
