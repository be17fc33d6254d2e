"""The service's words for a failure, as they have been seen, and what is made of them."""

import json

import pytest

from jina_v3_batch.failures import CAPACITY, COMPLETED, FATAL, FILES, classify, reason_of, seconds


def failed(reason, status="Failed"):
    cause = {"TransformJobName": "n", "TransformJobStatus": status, "FailureReason": reason}
    return {"Error": "States.TaskFailed", "Cause": json.dumps(cause)}


def refused(error, cause):
    return {"Error": f"SageMaker.{error}", "Cause": cause}


QUOTA = (
    "The account-level service limit 'ml.g6.xlarge for transform job usage' is {} Instances, with current utilization "
    "of {} Instances and a request delta of 2 Instances."
)
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
THROTTLED = "Rate exceeded (Service: AmazonSageMaker; Status Code: 400; Error Code: ThrottlingException; Request ID: 1)"


@pytest.mark.parametrize(
    ("transform", "outcome"),
    [
        ({"TransformJobName": "n", "TransformJobStatus": "Completed"}, COMPLETED),
        (failed(NO_CAPACITY), CAPACITY),
        (failed("InternalServerError: We encountered an internal error. Please try again."), CAPACITY),
        (failed("AlgorithmError: See job logs for more information"), FILES),
        (failed("ClientError: See job logs for more information"), FILES),
        (failed("ClientError: 413 the body is larger than the limit of 104857600 bytes"), FILES),
        ({"Error": "States.Timeout", "Cause": ""}, FILES),
        (refused("AmazonSageMakerException", THROTTLED), CAPACITY),
        (refused("ResourceLimitExceededException", QUOTA.format(4, 4)), CAPACITY),
        (refused("ResourceLimitExceededException", QUOTA.format(0, 0)), FATAL),
        (refused("AmazonSageMakerException", "Could not find model (Error Code: ValidationException)"), FATAL),
        ({"Error": "RunStateError", "Cause": "s3://… is missing"}, FATAL),
    ],
)
def test_a_failure_is_the_files_or_the_machines_or_for_good(transform, outcome):
    assert classify(transform) == outcome


def test_a_job_that_was_stopped_says_so():
    assert reason_of(failed("", "Stopped")) == "the transform job was stopped"
    assert classify(failed("", "Stopped")) == FILES


def test_times_are_read_as_step_functions_and_boto_write_them():
    assert seconds(1_800_000_000_500) == 1_800_000_000.5
    assert seconds(1_800_000_000.5) == 1_800_000_000.5
    assert seconds("2027-01-15T08:00:00Z") == seconds("2027-01-15T08:00:00+00:00") == 1_800_000_000
    assert seconds(None) is seconds("soon") is seconds(True) is None
