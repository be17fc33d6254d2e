"""Compiling Triton's kernels where there is no GPU, into the cache that serving looks them up in."""
