"""``jina-v3 doctor``: checks what a call needs, in the order in which it needs it, and says how to mend the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from botocore.config import Config

from jina_v3_client._aws.errors import aws_errors
from jina_v3_client.cli import clients
from jina_v3_client.cli.call import DONE, FAILED, Call
from jina_v3_client.cli.checks_here import (
    check_credentials,
    check_identity,
    check_packages,
    check_python,
    check_region,
)
from jina_v3_client.cli.checks_there import check_batch, check_call, check_endpoint, check_permission, check_router
from jina_v3_client.cli.failures import AWS_ERRORS, explain, in_words
from jina_v3_client.cli.findings import Finding, Verdict, right, unsure, wrong
from jina_v3_client.cli.region import Region
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.targets import InferenceRouter, Target

_QUICK: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
"""A network that swallows everything is to be told of soon."""

_STYLES: Final = {Verdict.RIGHT: "green", Verdict.WRONG: "bold red", Verdict.UNSURE: "yellow"}


def doctor(call: Call) -> int:
    """Examine, and return the exit status: failed where something is wrong."""
    findings = []
    for finding in _Examination(call).run():
        findings.append(finding)
        if not call.words.json:
            style = _STYLES[finding.verdict]
            call.screen.say_finding(finding.verdict, style, finding.check, finding.sentence, finding.fix)
    failed = any(finding.verdict is Verdict.WRONG for finding in findings)
    if call.words.json:
        checks = [asdict(finding) | {"verdict": finding.verdict.name.lower()} for finding in findings]
        call.screen.show_json({"healthy": not failed, "checks": checks})
    return FAILED if failed else DONE


class _Examination:
    """The checks' order; what hangs on something that is wrong is left out."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._place = call.place
        self._caller: str | None = None

    def run(self) -> Iterator[Finding]:
        """Yield what each check finds, as it finds it."""
        yield check_python()
        yield check_packages()
        try:
            self._session = self._call.open_session()
        except AWS_ERRORS as error:
            yield wrong("profile", *explain(error))
            return
        region = check_region(self._session, self._place)
        credentials = check_credentials(self._session)
        yield region
        yield credentials
        if Verdict.WRONG in (region.verdict, credentials.verdict):
            return
        try:
            with aws_errors():
                sts = self._client("sts")
        except JinaClientError as error:
            yield wrong("address", error.message, in_words(error.advice))
            return
        for finding, caller in check_identity(sts):
            yield finding
            self._caller = self._caller or caller
        if self._caller is not None:
            yield from self._examine_place()

    def _examine_place(self) -> Iterator[Finding]:
        target, asynchronous, state_machine = self._place.target, False, None
        if self._place.deployment is not None:
            try:
                deployment = clients.find_deployment(self._place)
            except JinaClientError as error:
                yield wrong("deployment", error.message, in_words(error.advice))
                return
            asynchronous, state_machine = deployment.is_asynchronous, deployment.state_machine
            target = None if deployment.endpoint is None else deployment.target
        if target is None and state_machine is None:
            yield wrong("endpoint", "none is named", clients.NAME_ONE)
        if target is not None:
            yield from self._examine_target(target, asynchronous=asynchronous)
        if state_machine is not None:
            yield check_batch(self._client("stepfunctions"), state_machine)

    def _examine_target(self, target: Target, *, asynchronous: bool) -> Iterator[Finding]:
        region = Region(self._client("sagemaker"), self._client("cloudformation"))
        if isinstance(target, InferenceRouter):
            looked = [check_router(region, target)]
        else:
            looked = list(check_endpoint(region, target))
        yield from looked
        if any(finding.verdict is Verdict.WRONG for finding in looked):
            return
        tried = self._try(asynchronous=asynchronous, told=looked[0].sentence)
        yield tried
        permission = self._permission(target, asynchronous=asynchronous, tried=tried)
        if (tried.verdict, permission.verdict) != (Verdict.WRONG, Verdict.UNSURE):  # the call's own error says more
            yield permission

    def _try(self, *, asynchronous: bool, told: str) -> Finding:
        if told.endswith("asynchronous") and not asynchronous:
            fix = "name its --deployment, which knows the bucket"
            return unsure("call", "not tried: an asynchronous endpoint is called through S3", fix)
        try:
            client = self._call.open_client()
        except JinaClientError as error:
            return wrong("call", error.message, in_words(error.advice))
        return check_call(client, asynchronous=asynchronous)

    def _permission(self, target: Target, *, asynchronous: bool, tried: Finding) -> Finding:
        assert self._caller is not None
        is_router = isinstance(target, InferenceRouter)
        action = "InvokeInferenceRouter" if is_router else f"InvokeEndpoint{'Async' if asynchronous else ''}"
        if tried.verdict is Verdict.RIGHT:
            return right("permission", f"sagemaker:{action} is allowed: the call was let in")
        _, partition, _, _, account, _ = self._caller.split(":", 5)
        kind = "inference-router" if is_router else "endpoint"
        # IAM's names of endpoints are in lower case
        place = f"{target.region or self._session.region_name}:{account}:{kind}/{target.name.lower()}"
        resource = f"arn:{partition}:sagemaker:{place}"
        return check_permission(self._client("iam"), self._caller, f"sagemaker:{action}", resource)

    def _client(self, service: str) -> Any:
        return self._session.client(service, region_name=self._place.aws_region, config=_QUICK)
