"""``python -m jina_v3.serving.engine FD NUMBER``: an engine process, started by the server with one end of a socket."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading

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
    connection = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_with_the_server, args=[connection.fileno()], daemon=True).start()
    work(connection)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # a broken device can hold up an orderly end for ever


def _end_with_the_server(descriptor: int) -> None:
    """End when the server's end of the socket closes, also while a model is loaded or a batch runs."""
    hangup = select.poll()
    hangup.register(descriptor, 0)  # POLLHUP comes unasked
    hangup.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
