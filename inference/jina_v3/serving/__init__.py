"""The four handlers and the server around them; knows nothing of tensors beyond numpy arrays."""
