"""The command ``jina-v3``: embeds, ranks, starts batch runs, lists endpoints, and finds out why nothing answers.

The environment is read here, once, and every error ends here as one line; nothing else of the package imports it.
"""

from __future__ import annotations

from collections.abc import Sequence

INTERRUPTED = 130
BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these words, or those of this process, and return its exit status.

    0: done; 1: failed; 2: the words cannot be; 3: some texts could not be embedded; 130: Ctrl-C; 141: nobody reads.
    **Raises**: ``SystemExit`` for ``--help``, ``--version`` and what argparse does not understand, and where a
    signal ends the process, with 143 for SIGTERM and 129 for SIGHUP.

    >>> main(["similarity", "--dimensions", "2000", "sunrise", "sunset"])
    2
    """
    try:
        import os
        import sys

        from jina_v3_client.cli.command import run
        from jina_v3_client.cli.process import ended_in_order, open_closed_streams

        open_closed_streams()
        with ended_in_order():
            status = run(sys.argv[1:] if arguments is None else arguments, os.environ)
        sys.stdout.flush()  # where nobody reads, it is told here
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes standard output when it ends, and would tell of the pipe again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status
