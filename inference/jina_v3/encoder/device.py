"""Which device a model runs on when the caller leaves it open, and which choices cannot be."""

from __future__ import annotations

import torch


def choose_device(name: str | None) -> torch.device:
    """Return the named device, or CUDA where there is one.

    **Raises**: ValueError when it is unknown or not there.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; want 'cpu', 'cuda' or 'cuda:N'") from None
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is not supported; want 'cpu', 'cuda' or 'cuda:N'")
    if device.type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError(
            f"device {name!r} was asked for, but torch finds no CUDA device; use 'cpu' or check the driver"
        )
    # with its index: without one it would mean the device current in whichever thread asks
    index = torch.cuda.current_device() if device.index is None else device.index
    if index >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} was asked for, but there are {torch.cuda.device_count()} CUDA devices")
    return torch.device("cuda", index)
