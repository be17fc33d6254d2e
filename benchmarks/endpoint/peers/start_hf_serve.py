"""Start hf-serve on Python 3.11 too.

hf-serve 0.2.0 says that it runs on 3.11 and gives ``reprlib.Repr`` arguments that exist from 3.12 on. They only
shorten what it logs at its start.
"""

from __future__ import annotations

import reprlib
import sys


class _Repr(reprlib.Repr):
    """``reprlib.Repr`` as Python 3.12 has it."""

    def __init__(self, **limits: int) -> None:
        super().__init__()
        vars(self).update(limits)


if sys.version_info < (3, 12):
    reprlib.Repr = _Repr  # type: ignore[misc]

if __name__ == "__main__":
    from hf_serve.cli import main  # type: ignore[import-not-found, unused-ignore]

    main()
