"""SageMaker's endpoints and inference components as a state machine, for tests of what deploys them.

They go through the API's statuses by being described, start nothing, and fail where a name says so. moto's own are in
service at once and cannot be updated.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Request, Response

_STEPS = 2  # descriptions until a status is left


class FakeEndpoints:
    """A plane for a local AWS; ``updates`` keeps the requests of UpdateEndpoint.

    An endpoint whose configuration's name has ``broken`` in it fails; an update to such a one is rolled back.
    """

    def __init__(self) -> None:
        self.endpoints: dict[tuple[str, str], dict[str, Any]] = {}
        self.components: dict[tuple[str, str], dict[str, Any]] = {}
        self.updates: list[dict[str, Any]] = []
        self.held = False  # a test sets it, so that nothing becomes ready

    def plane(self, application: Any) -> Any:
        """Answer the operations that are known here, and pass the others on."""

        def answer(environ: Any, start_response: Any) -> Any:
            operation = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix("SageMaker.")
            handler = getattr(self, f"_{operation}", None)
            if handler is None:
                return application(environ, start_response)
            region = environ["HTTP_AUTHORIZATION"].split("/")[2]
            try:
                status, body = 200, handler(region, json.loads(Request(environ).get_data()))
            except KeyError as error:
                status, body = 400, {"__type": "ValidationException", "message": f"Could not find {error.args[0]}"}
            return Response(json.dumps(body), status, content_type="application/x-amz-json-1.1")(
                environ, start_response
            )

        return answer

    def _CreateEndpoint(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:sagemaker:{region}:123456789012:endpoint/{request['EndpointName'].lower()}"
        self.endpoints[region, request["EndpointName"]] = {
            **request,
            "EndpointArn": arn,
            "EndpointStatus": "Creating",
            "steps": _STEPS,
            "wanted": request["EndpointConfigName"],
        }
        return {"EndpointArn": arn}

    def _UpdateEndpoint(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        endpoint = self.endpoints[region, request["EndpointName"]]
        self.updates.append(request)
        endpoint |= {"EndpointStatus": "Updating", "steps": _STEPS, "wanted": request["EndpointConfigName"]}
        endpoint.pop("FailureReason", None)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def _DeleteEndpoint(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        self.endpoints[region, request["EndpointName"]] |= {"EndpointStatus": "Deleting", "steps": _STEPS}
        return {}

    def _DescribeEndpoint(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        key = region, request["EndpointName"]
        endpoint = self.endpoints[key]
        if not self._passes(endpoint):
            pass
        elif endpoint["EndpointStatus"] == "Deleting":
            del self.endpoints[key]
            raise KeyError(f'endpoint "{key[1]}".')
        elif endpoint["EndpointStatus"] in {"Creating", "Updating"}:
            self._settle(endpoint)
        hidden = {"steps", "wanted", "Tags", "DeploymentConfig"}
        times = {"CreationTime": 1.0, "LastModifiedTime": 2.0}
        return {name: value for name, value in endpoint.items() if name not in hidden} | times

    def _settle(self, endpoint: dict[str, Any]) -> None:
        if "broken" not in endpoint["wanted"].lower():
            endpoint |= {"EndpointStatus": "InService", "EndpointConfigName": endpoint["wanted"]}
        elif endpoint["EndpointStatus"] == "Updating":
            endpoint |= {"EndpointStatus": "InService", "FailureReason": "the alarm went off"}
        else:
            endpoint |= {"EndpointStatus": "Failed", "FailureReason": "the container does not answer its ping"}

    def _passes(self, thing: dict[str, Any]) -> bool:
        thing["steps"] -= not self.held
        return thing["steps"] < 0

    def _CreateInferenceComponent(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        name = request["InferenceComponentName"]
        arn = f"arn:aws:sagemaker:{region}:123456789012:inference-component/{name.lower()}"
        self.components[region, name] = {
            **request,
            "InferenceComponentArn": arn,
            "InferenceComponentStatus": "Creating",
            "steps": _STEPS,
        }
        return {"InferenceComponentArn": arn}

    def _UpdateInferenceComponent(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        component = self.components[region, request["InferenceComponentName"]]
        component |= {**request, "InferenceComponentStatus": "Updating", "steps": _STEPS}
        return {"InferenceComponentArn": component["InferenceComponentArn"]}

    def _DeleteInferenceComponent(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        name = request["InferenceComponentName"]
        self.components[region, name] |= {"InferenceComponentStatus": "Deleting", "steps": _STEPS}
        return {}

    def _DescribeInferenceComponent(self, region: str, request: dict[str, Any]) -> dict[str, Any]:
        key = region, request["InferenceComponentName"]
        component = self.components[key]
        if self._passes(component):
            if component["InferenceComponentStatus"] == "Deleting":
                del self.components[key]
                raise KeyError(f'inference component "{key[1]}".')
            component["InferenceComponentStatus"] = "InService"
        copies = component["RuntimeConfig"]["CopyCount"]
        times = {"CreationTime": 1.0, "LastModifiedTime": 2.0}
        hidden = {"steps", "Tags", "RuntimeConfig"}
        shown = {name: value for name, value in component.items() if name not in hidden}
        return shown | times | {"RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies}}

    def _ListInferenceRouters(self, _region: str, _request: dict[str, Any]) -> dict[str, Any]:
        return {"InferenceRouters": []}  # no stack makes any
