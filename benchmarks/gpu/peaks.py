"""Dense half-precision peaks of the GPUs that this model is served on, as their makers state them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peak:
    """A GPU's dense bf16/fp16 matrix rate with fp32 accumulation. **Units**: TFLOP/s."""

    tflops: float
    source: str


# The first entry that the device's name contains is taken, so longer names stand before their beginnings.
# Datasheets state rates "with sparsity" for Ampere and later: these are the halves.
PEAKS: dict[str, Peak] = {
    "B200": Peak(2250.0, "NVIDIA HGX B200 datasheet, 4.5 PFLOP/s with sparsity, per GPU"),
    "H200": Peak(989.5, "NVIDIA H200 datasheet, SXM, 1,979 TFLOP/s with sparsity"),
    "H100 PCIe": Peak(756.5, "NVIDIA H100 datasheet, PCIe, 1,513 TFLOP/s with sparsity"),
    "H100 NVL": Peak(835.5, "NVIDIA H100 datasheet, NVL, 1,671 TFLOP/s with sparsity"),
    "H100": Peak(989.5, "NVIDIA H100 datasheet, SXM, 1,979 TFLOP/s with sparsity"),
    "A100": Peak(312.0, "NVIDIA A100 datasheet, 312 TFLOP/s without sparsity"),
    "L40S": Peak(362.0, "NVIDIA L40S datasheet, 733 TFLOP/s with sparsity, 362 without"),
    "A10G": Peak(70.0, "NVIDIA A10G datasheet, 70 TFLOP/s without sparsity"),
    "L4": Peak(121.0, "NVIDIA L4 datasheet, 242 TFLOP/s with sparsity"),
    "T4": Peak(65.0, "NVIDIA T4 datasheet, 65 TFLOP/s fp16 (no bf16)"),
}


def find_peak(device_name: str) -> Peak | None:
    """Return the peak of a device by the name that the driver gives it, or ``None`` for one not listed."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)
