"""Triton's kernels. Importing them needs Triton; see ``availability.py`` for whether they can be used."""

from jina_v3.encoder.fused.kernels.triton_kernels.launch import TritonKernels

__all__ = ["TritonKernels"]
