"""Where events and schedules go: state machines, topics, queues and functions, by this AWS's own services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local_aws.errors import LocalAwsError

if TYPE_CHECKING:
    from local_aws.server import LocalAws

KINDS: Final = ("states", "sns", "sqs", "lambda")


def check_target(arn: str) -> None:
    """Refuse a target that nothing here can reach.

    **Raises**: ``LocalAwsError``.
    """
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] not in KINDS or (parts[2] == "states" and parts[5] != "stateMachine"):
        raise LocalAwsError(
            f"the local AWS delivers to state machines, topics, queues and functions, not to {arn!r}; "
            "local_aws.event_bridge.targets is where another is added"
        )


def deliver(aws: LocalAws, region: str, target: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Give a target its input, and return what its service answers.

    **Raises**: ``LocalAwsError``, and botocore's errors.
    """
    arn = target["Arn"]
    check_target(arn)
    answer: dict[str, Any]
    match arn.split(":")[2]:
        case "states":
            answer = aws.client("stepfunctions", region).start_execution(stateMachineArn=arn, input=text)
        case "sns":
            answer = aws.client("sns", region).publish(TopicArn=arn, Message=text)
        case "sqs":
            queues = aws.client("sqs", region)
            url = queues.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            answer = queues.send_message(QueueUrl=url, MessageBody=text)
        case _:
            functions = aws.client("lambda", region)
            answer = functions.invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())
    return {name: value for name, value in answer.items() if isinstance(value, str | int)}
