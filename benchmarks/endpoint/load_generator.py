"""The load generator, a process of its own: commands as JSON lines in, the times of every request out.

It parses no bodies and imports no torch, so that it takes as little as it can of the processor that it shares with
the server. ``messages`` names a file with the whole HTTP requests, read once.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import gc
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.endpoint.http_client import Connection
from benchmarks.endpoint.load import Answers, run_closed, run_open


@functools.cache
def _messages(path: str) -> list[bytes]:
    return [message.encode() for message in json.loads(Path(path).read_text())]


async def _run(command: dict[str, Any]) -> Answers:
    """Run a command's load, its connections opened beforehand."""
    messages, port = _messages(command["messages"]), command["port"]
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection(port))
        return connections[-1]

    if "arrivals_s" in command:
        answers = Answers(messages, command["keep"])
        await run_open(answers, connect, command["arrivals_s"])
    else:
        clients = [connect() for _ in range(command["clients"])]
        await asyncio.gather(*(client.open() for client in clients))
        answers = Answers(messages, command["keep"])
        await run_closed(answers, clients, command["requests"])
    for connection in connections:
        connection.close()
    return answers


def _obey(command: dict[str, Any]) -> dict[str, Any]:
    gc.collect()
    gc.disable()
    before = resource.getrusage(resource.RUSAGE_SELF)
    answers = asyncio.run(_run(command))
    after = resource.getrusage(resource.RUSAGE_SELF)
    gc.enable()
    return {
        "samples": answers.samples,
        "bodies": {index: base64.b64encode(body).decode() for index, body in answers.bodies.items()},
        "cpu_s": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
    }


def main() -> None:
    """Obey commands until there are no more."""
    for line in sys.stdin:
        print(json.dumps(_obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
