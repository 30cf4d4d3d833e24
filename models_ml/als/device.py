"""Where to compute."""

from typing import Literal

import torch

from models_ml.errors import ModelError


def torch_device(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device to compute on; ModelError when `cuda` is asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device 'cuda' is set but torch finds no GPU; set device to 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
