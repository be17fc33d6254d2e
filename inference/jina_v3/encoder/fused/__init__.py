"""The CUDA engine: the model's forward pass with everything between the matrix products fused, on fixed memory."""
