"""Which modules of C code Triton builds to launch kernels."""

from importlib.metadata import version

MODULES = {"cuda_utils"}
if tuple(map(int, version("triton").split(".")[:2])) < (3, 7):
    MODULES.add("__triton_launcher")  # one for each signature; since then that module launches all
