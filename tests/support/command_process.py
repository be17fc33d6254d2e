"""The command in a process of its own, over an embedder without a network: ``python command_process.py WORDS``.

``SLOW_S`` in the environment is what each text takes.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":
    from embedder import WordEmbedder  # its folder is the first on the path

    from jina_v3_client.cli import clients, main

    slow_s = float(os.environ.get("SLOW_S", "0"))
    clients.open_client = lambda _place: WordEmbedder(before=lambda _text: time.sleep(slow_s))
    sys.exit(main())
