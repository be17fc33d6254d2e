"""``python -m jina_v3_client`` is the command ``jina-v3``."""

from __future__ import annotations

import sys

from jina_v3_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
