"""One endpoint as it is: its state, the fleet that answers for it, and how it is described."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.store import now
from local_aws.sagemaker.traffic import Fleet, Traffic

if TYPE_CHECKING:
    from datetime import datetime

    from local_aws.sagemaker.queue import BoundedQueue


class Endpoint:
    """An endpoint; whoever changes more than one member at a time holds ``lock``."""

    def __init__(self, name: str, arn: str, config_name: str, config: dict[str, Any], seed: int) -> None:
        self.name = name
        self.arn = arn
        self.config_name = config_name
        self.config = config
        self.created = self.modified = now()
        self.status = "Creating"
        self.failure_reason = ""
        self.deployment: dict[str, Any] = {}
        self.pending: tuple[str, dict[str, Any], datetime] | None = None
        self.generation = 1
        self.fleet: Fleet | None = None
        self.traffic = Traffic(seed)
        self.queue: BoundedQueue | None = None
        self.lock = threading.RLock()

    @property
    def is_reachable(self) -> bool:
        """Say whether the runtime plane knows it."""
        return self.status in ("InService", "Updating", "RollingBack", "SystemUpdating")

    @property
    def has_components(self) -> bool:
        """Say whether inference components answer for it instead of models."""
        return any("ModelName" not in variant for variant in self.config["ProductionVariants"])

    def change(self, status: str, reason: str = "") -> None:
        """Go over to another status."""
        with self.lock:
            self.status, self.failure_reason, self.modified = status, reason, now()

    def begin_update(self) -> None:
        """Go over to Updating.

        **Raises**: ``ServiceError`` for one that is not in service.
        """
        with self.lock:
            if self.status == "Failed":
                refuse(f'Cannot update failed endpoint "{self.arn}". Delete it and create it anew.')
            if self.status != "InService":
                refuse(f'Cannot update in-progress endpoint "{self.arn}".')
            self.change("Updating")

    def summarise(self) -> dict[str, Any]:
        """Return its row in ListEndpoints."""
        with self.lock:
            return {
                "EndpointName": self.name,
                "EndpointArn": self.arn,
                "EndpointStatus": self.status,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
            }

    def describe(self) -> dict[str, Any]:
        """Return the answer to DescribeEndpoint."""
        with self.lock:
            described = {
                **self.summarise(),
                "EndpointConfigName": self.config_name,
                "ProductionVariants": self._describe_variants(),
                "FailureReason": self.failure_reason[:1024],
                "LastDeploymentConfig": self.deployment,
                "AsyncInferenceConfig": self.config.get("AsyncInferenceConfig"),
                "MetricsConfig": self.config.get("MetricsConfig"),
                "DataCaptureConfig": self._describe_capture(),
                "PendingDeploymentSummary": self._describe_pending(),
            }
        return {key: value for key, value in described.items() if value}

    def _describe_variants(self) -> list[dict[str, Any]]:
        if self.fleet is None:
            return []
        definitions = {variant["VariantName"]: variant for variant in self.config["ProductionVariants"]}
        rows = []
        for variant in self.fleet.variants.values():
            row: dict[str, Any] = {
                "VariantName": variant.name,
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": variant.instances,
                "DesiredInstanceCount": variant.instances,
            }
            definition = definitions.get(variant.name, {})
            if variant.image:
                row["DeployedImages"] = [{"SpecifiedImage": variant.image, "ResolutionTime": self.created}]
            if "InstancePools" in definition:
                pool = {"InstanceType": variant.instance_type, "CurrentInstanceCount": variant.instances}
                row["InstancePools"] = [pool]
            row |= {
                name: definition[name] for name in ("ManagedInstanceScaling", "RoutingConfig") if name in definition
            }
            rows.append(row)
        return rows

    def _describe_capture(self) -> dict[str, Any] | None:
        capture = self.config.get("DataCaptureConfig")
        if not capture:
            return None
        return {
            "EnableCapture": capture.get("EnableCapture", False),
            "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }

    def _describe_pending(self) -> dict[str, Any] | None:
        if self.pending is None:
            return None
        name, config, started = self.pending
        variants = [
            {"VariantName": variant["VariantName"], "DesiredInstanceCount": variant["InitialInstanceCount"]}
            for variant in config["ProductionVariants"]
        ]
        return {"EndpointConfigName": name, "ProductionVariants": variants, "StartTime": started}
