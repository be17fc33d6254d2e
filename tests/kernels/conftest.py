import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
    from tests.support.triton_interpreter import allow_bounds_from_memory

    allow_bounds_from_memory()
