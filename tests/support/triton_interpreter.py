"""Triton's interpreter under newer releases of numpy."""

from typing import Any

from triton.runtime import interpreter


def allow_bounds_from_memory() -> None:
    """Let loops run to numbers that a kernel has loaded or computed.

    The interpreter keeps scalars as arrays of one value, which numpy no longer takes for whole numbers.
    """
    patch = interpreter._patch_lang_tensor

    def patch_with_index(tensor: Any, scope: Any) -> None:
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    interpreter._patch_lang_tensor = patch_with_index
