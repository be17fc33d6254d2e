"""Every error that SageMaker and the container can answer with, as the local AWS and botocore's models have them."""

import copy
import json
import pickle

import botocore.session
import pytest
from tests.support.service_answers import contained, failed, no_capacity, throttle, unavailable_service, uncontained

from jina_v3.contract import ErrorCode
from jina_v3_client._calls.classify import Kind, Verdict, classify, smaller_may_help
from jina_v3_client._calls.steps import Outcome
from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    InvalidInputError,
    JinaClientError,
    ModelError,
    NotInServiceError,
    OverloadedError,
    ResponseError,
    TooLargeError,
)
from jina_v3_client.routing.targets import Endpoint, InferenceRouter
from jina_v3_client.transport import HttpResponse, TransportError
from local_aws.errors import ServiceError
from local_aws.sagemaker.invocation import _TIMED_OUT, BROKEN
from local_aws.sagemaker.runtime import _NO_COMPONENT

ENDPOINT = Endpoint("texts", region="eu-west-1")
ROUTER = InferenceRouter("everywhere", region="us-east-1")


def judge(result, target=ENDPOINT) -> Verdict:
    return classify(Outcome(target=target, result=result, seconds=0.1))


def service_error(name: str, message: str, status: int = 400) -> HttpResponse:
    return failed(ServiceError(name, message, status))


def test_a_whole_answer_is_one():
    assert judge(HttpResponse(status=200, headers={}, body=b"{}")) == Verdict(kind=Kind.ANSWER)


TOO_LONG = (
    "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or "
    "equal to 26214400"
)


@pytest.mark.parametrize(
    ("response", "kind", "error"),
    [
        (throttle(), Kind.BUSY, OverloadedError),
        (service_error("ThrottlingException", "Rate exceeded", 429), Kind.BUSY, OverloadedError),
        (unavailable_service(), Kind.FAILED, NotInServiceError),
        (service_error("InternalFailure", "unknown", 500), Kind.FAILED, NotInServiceError),
        (service_error("InternalDependencyException", "unknown", 530), Kind.FAILED, NotInServiceError),
        (service_error("ServiceUnavailableException", "later", 503), Kind.FAILED, NotInServiceError),
        (service_error("RequestTimeoutException", "slow upload", 408), Kind.FAILED, NotInServiceError),
        (no_capacity(), Kind.ASLEEP, NotInServiceError),
        (no_capacity(router=True), Kind.ASLEEP, NotInServiceError),
        (service_error("ValidationError", "Endpoint texts of account 1 not found."), Kind.GONE, EndpointNotFoundError),
        (service_error("ValidationError", "Variant b not found for Request"), Kind.GONE, EndpointNotFoundError),
        (
            service_error("ValidationException", "Inference router r of account 1 not found."),
            Kind.GONE,
            EndpointNotFoundError,
        ),
        (
            service_error("ValidationException", "Inference router r has no routing target t."),
            Kind.GONE,
            EndpointNotFoundError,
        ),
        (service_error("ValidationError", _NO_COMPONENT), Kind.GONE, ConfigurationError),
        (
            service_error("ValidationError", "Endpoint t is an asynchronous endpoint; call InvokeEndpointAsync."),
            Kind.GONE,
            ConfigurationError,
        ),
        (service_error("ValidationError", TOO_LONG), Kind.REFUSED, TooLargeError),
        (
            service_error("ValidationException", "The body of the request can't be empty."),
            Kind.REFUSED,
            InvalidInputError,
        ),
        (HttpResponse(status=413, headers={}, body=b""), Kind.REFUSED, TooLargeError),
        (HttpResponse(status=502, headers={}, body=b"<html>bad gateway</html>"), Kind.FAILED, NotInServiceError),
        (HttpResponse(status=302, headers={}, body=b""), Kind.GONE, ResponseError),
        (HttpResponse(status=204, headers={}, body=b""), Kind.GONE, ResponseError),
        (uncontained(0, _TIMED_OUT), Kind.FAILED, ModelError),
        (uncontained(0, BROKEN), Kind.FAILED, ModelError),
        (uncontained(500, "Traceback"), Kind.FAULTY, ModelError),
        (uncontained(404, "no such path"), Kind.REFUSED, ModelError),
        (uncontained(413, "too large"), Kind.REFUSED, TooLargeError),
        (uncontained(502, "bad gateway"), Kind.FAILED, ModelError),
        (uncontained(504, "timeout"), Kind.FAILED, ModelError),
        (uncontained(429, "slow down"), Kind.BUSY, OverloadedError),
        (TransportError("connect", "refused"), Kind.FAILED, ConnectionFailedError),
        (TransportError("timeout", "70 s"), Kind.FAILED, ConnectionFailedError),
        (TransportError("broken", "cut"), Kind.FAILED, ConnectionFailedError),
        (AccessError("no credentials"), Kind.GONE, AccessError),
    ],
)
def test_each_outcome_has_its_kind_and_its_typed_error(response, kind, error):
    verdict = judge(response)
    assert (verdict.kind, type(verdict.error)) == (kind, error)


RETRYABLE = {
    ErrorCode.OVERLOADED: Kind.BUSY,
    ErrorCode.NOT_READY: Kind.FAILED,
    ErrorCode.DEADLINE_EXCEEDED: Kind.FAILED,
    ErrorCode.BODY_TIMEOUT: Kind.FAILED,
    ErrorCode.INTERNAL: Kind.FAULTY,
}


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.wire_name)
def test_every_error_of_the_contract_is_told_apart_whether_the_input_is_at_fault(code):
    verdict = judge(contained(code.status, code.wire_name))
    assert verdict.kind is RETRYABLE.get(code, Kind.REFUSED)
    if verdict.kind is Kind.REFUSED:
        assert isinstance(verdict.error, TooLargeError if code.status == 413 else InvalidInputError)
        assert verdict.error.code == code.wire_name


@pytest.mark.parametrize("service", ["sagemaker-runtime", "sagemaker-inference-router-runtime"])
def test_every_error_in_botocores_model_of_the_service_has_the_kind_its_documentation_asks_for(service):
    model = botocore.session.get_session().get_service_model(service)
    shapes = {
        shape.name: shape.metadata["error"]["httpStatusCode"]
        for name in model.operation_names
        for shape in model.operation_model(name).error_shapes
        if "error" in shape.metadata
    }
    wanted = {
        "ModelNotReadyException": Kind.ASLEEP,
        "ThrottlingException": Kind.BUSY,
        "AccessDeniedException": Kind.GONE,
        "ModelError": Kind.FAILED,
        "ValidationError": Kind.REFUSED,
        "ValidationException": Kind.REFUSED,
    }
    for name, status in shapes.items():
        assert judge(service_error(name, "words", status)).kind is wanted.get(name, Kind.FAILED), name


def test_the_name_of_an_error_is_found_wherever_a_protocol_puts_it():
    for headers, body in (
        ({"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/"}, b""),
        ({}, json.dumps({"__type": "com.amazon.coral.availability#ThrottlingException"}).encode()),
        ({}, json.dumps({"code": "ThrottlingException"}).encode()),
    ):
        assert judge(HttpResponse(status=400, headers=headers, body=body)).kind is Kind.BUSY


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"\xff", b'{"Message": 3, "OriginalStatusCode": "x"}', b"[" * 100_000], ids=range(6)
)
@pytest.mark.parametrize("status", [301, 400, 403, 404, 413, 424, 429, 500, 503, 599])
def test_whatever_stands_in_an_error_it_is_a_verdict(status, body):
    assert isinstance(judge(HttpResponse(status=status, headers={}, body=body)).error, JinaClientError)


def test_an_error_of_the_input_says_which_text_and_what_is_allowed():
    response = contained(
        422, "text_too_long", "data[3].text has 9000 tokens", field="input[3]", value=9000, allowed="at most 8192"
    )
    error = judge(response).error
    assert isinstance(error, InvalidInputError)
    assert (error.code, error.field, error.value, error.allowed, error.index) == (
        "text_too_long",
        "input[3]",
        9000,
        "at most 8192",
        3,
    )
    assert error.request_id == response.headers["x-amzn-requestid"]
    assert not smaller_may_help(error), "one text is as long in a smaller request"


def test_a_retry_after_is_read_as_seconds_as_a_date_and_from_the_containers_message():
    assert judge(throttle(retry_after="2.5")).retry_after_s == 2.5
    date = {"date": "Sat, 21 Nov 2026 10:00:00 GMT", "retry_after": "Sat, 21 Nov 2026 10:00:07 GMT"}
    assert judge(throttle(**date)).retry_after_s == 7.0
    said = contained(
        429, "overloaded", "the requests before this one take 31 s, and 25 s are allowed; send the request again in 6 s"
    )
    verdict = judge(said)
    assert verdict.retry_after_s == 6.0
    assert verdict.error.retry_after_s == 6.0
    for nonsense in ("-1", "soon", "", "9" * 30, "Sat, 99 Nov 2026"):
        assert judge(throttle(retry_after=nonsense)).retry_after_s is None


def test_what_ran_out_of_time_or_was_too_large_may_go_better_in_halves():
    slow = [
        judge(uncontained(0, _TIMED_OUT)),
        judge(contained(503, "deadline_exceeded")),
        judge(uncontained(504, "")),
        judge(TransportError("timeout", "70 s")),
    ]
    assert all(verdict.slow and smaller_may_help(verdict.error) for verdict in slow)
    large = [judge(HttpResponse(status=413, headers={}, body=b"")), judge(contained(413, "too_many_texts"))]
    assert all(smaller_may_help(verdict.error) for verdict in large)
    others = [
        judge(uncontained(0, BROKEN)),
        judge(contained(503, "not_ready")),
        judge(TransportError("connect", "")),
        judge(throttle()),
    ]
    assert not any(verdict.slow or smaller_may_help(verdict.error) for verdict in others)


SECRET = "FwoGZXIvYXdzEBYaDsecrettoken"


@pytest.mark.parametrize(
    ("name", "message", "words"),
    [
        ("MissingAuthenticationTokenException", "Missing Authentication Token", "was not signed"),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", "does not know"),
        (
            "InvalidSignatureException",
            f"The signature we calculated does not match … {SECRET}",
            "AWS_SECRET_ACCESS_KEY",
        ),
        ("InvalidSignatureException", f"Signature expired: 20261121T100000Z is now … {SECRET}", "clock"),
        ("InvalidSignatureException", "Signature not yet current: 20261121T100000Z is …", "clock"),
        ("ExpiredTokenException", f"The security token {SECRET} included in the request is expired", "have expired"),
        ("IncompleteSignatureException", f"Authorization=AWS4 Credential={SECRET}", "did not arrive whole"),
        ("SomethingNew", f"you may not {SECRET}", "sagemaker:InvokeEndpoint"),
    ],
)
def test_an_access_error_says_which_kind_it_is_and_shows_nothing_of_a_signature(name, message, words):
    verdict = judge(service_error(name, message, 403))
    assert isinstance(verdict.error, AccessError)
    assert words in str(verdict.error)
    assert SECRET not in str(verdict.error) + repr(verdict.error)


def test_a_missing_permission_is_named_with_its_action_and_its_resource():
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/texts"
    message = (
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: sagemaker:InvokeEndpoint on resource: "
        f"{arn} because no identity-based policy allows the sagemaker:InvokeEndpoint action"
    )
    said = str(judge(service_error("AccessDeniedException", message, 403)).error)
    assert "sagemaker:InvokeEndpoint" in said
    assert arn in said
    silent = str(judge(service_error("AccessDeniedException", "no", 403), ROUTER).error)
    assert "sagemaker:InvokeInferenceRouter" in silent
    assert "each destination" in silent


def test_an_endpoint_that_is_not_there_is_told_with_its_region_and_the_command_that_lists_them():
    error = judge(service_error("ValidationError", "Endpoint texts of account 123456789012 not found.")).error
    assert "in eu-west-1" in str(error)
    assert "jina-v3 endpoints" in str(error)
    assert error.target == "eu-west-1/texts"


def test_a_models_error_names_its_log_and_echoes_nothing_of_what_others_say():
    error = judge(uncontained(500, "could not embed 'a private text'")).error
    assert isinstance(error, ModelError)
    assert "private" not in str(error) + repr(error.__dict__)
    assert "/aws/sagemaker/Endpoints/texts" in str(error)
    assert error.original_status == 500
    ours = judge(contained(500, "internal", "the request could not be served; the fault is the server's")).error
    assert "the fault is the server's" in str(ours)
    assert ours.original_code == "internal"


def test_every_error_survives_pickling_and_copying():
    for response in (
        throttle(),
        no_capacity(),
        contained(422, "empty_text"),
        uncontained(500, ""),
        HttpResponse(status=413, headers={}, body=b""),
    ):
        error = judge(response).error
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (type(twin), str(twin), twin.__dict__) == (type(error), str(error), error.__dict__)
