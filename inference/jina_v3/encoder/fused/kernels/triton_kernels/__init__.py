"""Triton's kernels, an operation a module."""
