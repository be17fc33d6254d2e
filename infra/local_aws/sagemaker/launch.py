"""From a configuration to running containers: a machine, the image, the model's data, the process."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.sagemaker.container import Container, NotHealthyError
from local_aws.sagemaker.endpoint_configs import instance_pools
from local_aws.sagemaker.hosting import Hosting, endpoint_log_group
from local_aws.sagemaker.model_data import ModelDataError, remove_models
from local_aws.sagemaker.models import container_of
from local_aws.sagemaker.start import ImageError, prepare_container
from local_aws.sagemaker.store import Store
from local_aws.sagemaker.traffic import Fleet, Variant

_STARTUP_LIMIT_S: Final = 480
_NO_CAPACITY: Final = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a "
    "different ML instance type or after some time."
)


class LaunchError(Exception):
    """A variant did not start; the message is the endpoint's ``FailureReason``."""


def launch_fleet(
    hosting: Hosting,
    store: Store,
    endpoint: str,
    folder: Path,
    config: Mapping[str, Any],
    retained: Mapping[str, Mapping[str, Any]],
) -> Fleet:
    """Start every variant of a configuration, side by side; ``retained`` has what some keep of an earlier one.

    **Raises**: ``LaunchError`` with the first variant's reason; nothing runs then.
    """
    definitions = [{**variant, **retained.get(variant["VariantName"], {})} for variant in config["ProductionVariants"]]
    with ThreadPoolExecutor(len(definitions)) as starters:
        starting = [
            starters.submit(launch_variant, hosting, store, endpoint, folder, definition) for definition in definitions
        ]
    failures = [error for future in starting if (error := future.exception()) is not None]
    variants = [future.result() for future in starting if future.exception() is None]
    fleet = Fleet(variants={variant.name: variant for variant in variants}, folder=folder, config=dict(config))
    if failures:
        fleet.stop()
        remove_models(folder)
        raise failures[0]
    return fleet


def launch_variant(
    hosting: Hosting, store: Store, endpoint: str, folder: Path, definition: Mapping[str, Any]
) -> Variant:
    """Start one production variant.

    **Raises**: ``LaunchError``.
    """
    name = definition["VariantName"]
    pool = _provision(hosting, store.region, endpoint, definition)
    variant = Variant(
        name=name,
        instance_type=pool["InstanceType"],
        instances=definition["InitialInstanceCount"],
        weight=definition.get("InitialVariantWeight", 1.0),
    )
    model_name = pool.get("ModelNameOverride", definition.get("ModelName"))
    if model_name is not None:
        try:
            container = container_of(store.model(model_name).definition)
        except ServiceError as error:
            raise LaunchError(error.message) from error
        variant.image = container["Image"]
        if variant.instances == 0:  # an update of an asynchronous endpoint that is asleep
            return variant
        limit_s = definition.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_LIMIT_S)
        variant.container = launch_container(
            hosting, store.region, endpoint_log_group(endpoint), folder / name, name, container, limit_s
        )
    return variant


def _provision(hosting: Hosting, region: str, endpoint: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first machine that can be had."""
    for pool in instance_pools(dict(definition)):
        call = Call(
            operation="CreateEndpoint",
            region=region,
            endpoint=endpoint,
            variant=definition["VariantName"],
            instance_type=pool["InstanceType"],
        )
        if hosting.faults.take("capacity_missing", call) is None:
            return pool
    raise LaunchError(_NO_CAPACITY)


def launch_container(
    hosting: Hosting,
    region: str,
    group: str,
    folder: Path,
    name: str,
    definition: Mapping[str, Any],
    startup_limit_s: float,
) -> Container:
    """Start a container of an endpoint; ``name`` is its variant's or component's.

    **Raises**: ``LaunchError``.
    """
    try:
        container = prepare_container(hosting, region, group, folder, name, definition, startup_limit_s)
        container.start()
    except ImageError as error:
        raise LaunchError(
            f"The image {definition['Image']} of production variant {name} could not be pulled. Please check that it "
            "exists and that the execution role may read it."
        ) from error
    except ModelDataError as error:
        raise LaunchError(f"Failed to download model data for production variant {name}: {error}") from error
    except NotHealthyError as error:
        raise LaunchError(
            f"The primary container for production variant {name} did not pass the ping health check. Please check "
            "CloudWatch logs for this endpoint."
        ) from error
    return container
