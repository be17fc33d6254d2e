"""``python -m jina_v3.serving.engine FD NUMBER``: an engine process, started by the server with one end of a socket."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

from jina_v3.serving.engine.worker import work
from jina_v3.serving.logs import set_up_logs


def main() -> None:
    """Serve the socket until its other end is gone."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a Ctrl-C reaches the whole group; when to end is the server's to say
        signal.signal(number, signal.SIG_IGN)
    set_up_logs(engine=int(sys.argv[2]))
    work(socket.socket(fileno=int(sys.argv[1])))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # a broken device can hold up an orderly end for ever


if __name__ == "__main__":
    main()
