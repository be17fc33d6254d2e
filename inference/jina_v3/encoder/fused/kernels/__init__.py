"""What stands between the matrix products, an operation a kernel: the interface, a reference in torch, Triton's."""
