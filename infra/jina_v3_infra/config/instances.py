"""SageMaker's machines: which there are, what GPU each has, what it costs. Facts with their source, no rules."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import Final

import botocore.session


class UnknownInstanceTypeError(ValueError):
    """SageMaker hosts no endpoint on a machine of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A kind of GPU.

    **Units**: ``memory_gb`` GB; ``tflops`` dense TFLOP/s in the half precision that the encoder takes on it, from the
    maker's data sheet, ``None`` where that was not looked up.
    """

    name: str
    memory_gb: int
    tflops: float | None
    compute_capability: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A machine that endpoints can have.

    ``usd_per_hour`` is about the on-demand price of real-time inference in us-east-1 (``PRICES_FROM``), ``None`` where
    it is not known here; the preflight asks AWS's price list first.
    """

    name: str
    gpu: Gpu | None
    gpus: int
    local_storage: bool
    usd_per_hour: float | None

    @property
    def family(self) -> str:
        """The part before the size: ``ml.g6`` of ``ml.g6.xlarge``."""
        return self.name.rpartition(".")[0]

    @property
    def arm(self) -> bool:
        """Say whether its processor is Graviton or Grace, which the image is not built for."""
        generation = self.family.removeprefix("ml.")
        return generation.startswith("p6e") or (generation[0] in "cmr" and generation[2:].startswith("g"))


PRICES_FROM: Final = "approximate, us-east-1, on demand; not looked up in AWS's price list"

_T4 = Gpu(name="T4", memory_gb=16, tflops=65, compute_capability=(7, 5))
_A10G = Gpu(name="A10G", memory_gb=24, tflops=70, compute_capability=(8, 6))
_L4 = Gpu(name="L4", memory_gb=24, tflops=121, compute_capability=(8, 9))
_L40S = Gpu(name="L40S", memory_gb=48, tflops=362, compute_capability=(8, 9))
_V100 = Gpu(name="V100", memory_gb=16, tflops=125, compute_capability=(7, 0))
_A100_40 = Gpu(name="A100", memory_gb=40, tflops=312, compute_capability=(8, 0))
_A100_80 = Gpu(name="A100", memory_gb=80, tflops=312, compute_capability=(8, 0))
_H100 = Gpu(name="H100", memory_gb=80, tflops=989, compute_capability=(9, 0))
_H200 = Gpu(name="H200", memory_gb=141, tflops=989, compute_capability=(9, 0))
_RTX_6000 = Gpu(name="RTX PRO 6000", memory_gb=96, tflops=None, compute_capability=(12, 0))
_RTX_4500 = Gpu(name="RTX PRO 4500", memory_gb=32, tflops=None, compute_capability=(12, 0))
_B200 = Gpu(name="B200", memory_gb=180, tflops=2250, compute_capability=(10, 0))
_B300 = Gpu(name="B300", memory_gb=270, tflops=2250, compute_capability=(10, 3))
_K80 = Gpu(name="K80", memory_gb=12, tflops=4, compute_capability=(3, 7))

_FAMILIES: Final[dict[str, tuple[Gpu, dict[str, int]]]] = {
    "ml.g4dn": (_T4, {"xlarge": 1, "2xlarge": 1, "4xlarge": 1, "8xlarge": 1, "12xlarge": 4, "16xlarge": 1}),
    "ml.g5": (_A10G, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "ml.g6": (_L4, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "ml.g6e": (_L40S, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "ml.g7": (_RTX_4500, {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8}),
    "ml.g7e": (_RTX_6000, {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8}),
    "ml.p2": (_K80, {"8xlarge": 8, "16xlarge": 16}),
    "ml.p3": (_V100, {"8xlarge": 4, "16xlarge": 8}),
    "ml.p4d": (_A100_40, {"24xlarge": 8}),
    "ml.p4de": (_A100_80, {"24xlarge": 8}),
    "ml.p5": (_H100, {"48xlarge": 8}),
    "ml.p5e": (_H200, {"48xlarge": 8}),
    "ml.p5en": (_H200, {"48xlarge": 8}),
    "ml.p6-b200": (_B200, {"48xlarge": 8}),
    "ml.p6-b300": (_B300, {"48xlarge": 8}),
}
"""GPU of each family, and how many a size has where it is more than one."""

_WITHOUT_STORAGE: Final = frozenset({"ml.p2", "ml.p3"})
"""GPU families without NVMe of their own."""

_USD_PER_HOUR: Final = {
    "ml.g4dn.xlarge": 0.7364,
    "ml.g4dn.2xlarge": 0.94,
    "ml.g4dn.4xlarge": 1.505,
    "ml.g4dn.12xlarge": 4.89,
    "ml.g5.xlarge": 1.408,
    "ml.g5.2xlarge": 1.515,
    "ml.g5.4xlarge": 2.03,
    "ml.g5.12xlarge": 7.09,
    "ml.g6.xlarge": 1.1267,
    "ml.g6.2xlarge": 1.222,
    "ml.g6.4xlarge": 1.654,
    "ml.g6.12xlarge": 5.752,
    "ml.g6e.xlarge": 2.605,
    "ml.g6e.2xlarge": 2.8026,
    "ml.g6e.4xlarge": 3.7553,
    "ml.g6e.12xlarge": 13.1161,
    "ml.p4d.24xlarge": 25.25,  # the price of 2024 less the third that AWS took off in June 2025
    "ml.p5.48xlarge": 63.30,  # … less 44%
    "ml.c7i.xlarge": 0.214,
    "ml.c7i.2xlarge": 0.428,
    "ml.c7i.4xlarge": 0.857,
}


@cache
def instance_type(name: str) -> InstanceType:
    """Return what is known of a machine.

    **Raises**: ``UnknownInstanceTypeError`` where SageMaker's API has no such type for endpoints.
    **Source**: botocore's model of the API for the names.
    """
    known = endpoint_instance_types()
    if name not in known:
        near = difflib.get_close_matches(name if name.startswith("ml.") else f"ml.{name}", known, n=1)
        hint = f"did you mean {near[0]}?" if near else "ml.g6.xlarge is one with a GPU"
        raise UnknownInstanceTypeError(f"{name!r} is no instance type of SageMaker's endpoints; {hint}")
    family, _, size = name.rpartition(".")
    gpu, counts = _FAMILIES.get(family, (None, {}))
    if gpu is not None:
        local_storage = family not in _WITHOUT_STORAGE
    else:  # a d after the generation, as in ml.c5d and ml.m6gd; most accelerators have it too
        generation = family.removeprefix("ml.")
        local_storage = generation.endswith("d") or generation[0] in "gpt" or generation.startswith("dl")
    return InstanceType(
        name=name,
        gpu=gpu,
        gpus=counts.get(size, 1) if gpu is not None else 0,
        local_storage=local_storage,
        usd_per_hour=_USD_PER_HOUR.get(name),
    )


@cache
def endpoint_instance_types() -> tuple[str, ...]:
    """Return the names that SageMaker's API takes for a production variant."""
    model = botocore.session.Session().get_service_model("sagemaker")
    return tuple(model.shape_for("ProductionVariantInstanceType").enum)


@cache
def transform_instance_types() -> tuple[str, ...]:
    """Return the names that SageMaker's API takes for a transform job; endpoints can have each of them too."""
    model = botocore.session.Session().get_service_model("sagemaker")
    return tuple(model.shape_for("TransformInstanceType").enum)
