"""``make verify-live``: say what the live tests will cost and where, have it confirmed, and run them.

A program by its path: packages bring a ``tests`` of their own, which ``python -m`` would find.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from jina_v3_infra.config import DeploymentError, read_deployment
from jina_v3_infra.deploy.account import open_account
from jina_v3_infra.deploy.costs import summarise_costs
from jina_v3_infra.deploy.failures import AWS_ERRORS, CommandError, explain
from jina_v3_infra.deploy.preflight import identify, read_whole_cost
from jina_v3_infra.deploy.stack_state import find_stack

_ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status: pytest's, or 1 where nothing was begun."""
    parser = argparse.ArgumentParser(prog="tests/live/verify.py", description=__doc__)
    parser.add_argument("config", type=Path, help="what is deployed, changed and destroyed")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
    options, for_pytest = parser.parse_known_args(arguments)
    try:
        config = options.config.resolve()
        deployment = read_deployment(config)
        account = open_account(deployment.region)
        caller = identify(account, deployment)
        stacks = (deployment.endpoint_stack, deployment.foundation_stack)
        standing = [name for name in stacks if find_stack(account.client("cloudformation"), name) is not None]
        cost = summarise_costs(read_whole_cost(account, deployment))
    except (CommandError, DeploymentError, OSError) as error:
        return _refuse(str(error))
    except AWS_ERRORS as error:
        return _refuse(explain(error))
    if standing:
        return _refuse(f"{', '.join(standing)} stand already in account {caller}; take another name")
    print(f"account {caller}, {account.region}: {deployment.name} is deployed, updated and destroyed.")
    print(f"It costs {cost}; an update has twice the machines, and all of it takes one to three hours.", flush=True)
    if not options.yes:
        if not sys.stdin.isatty():
            return _refuse("there is no terminal to ask on; give YES=1 (--yes)")
        if _ask(f"Type the account's number, {caller}, to begin: ") != caller:
            return _refuse("that is not the account's number; nothing was begun")
    environment = {**os.environ, "JINA_V3_LIVE": "1", "JINA_V3_LIVE_CONFIG": str(config)}
    command = [sys.executable, "-m", "pytest", "-m", "aws", "-s", "-v", str(_ROOT / "tests" / "live"), *for_pytest]
    return subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode


def _ask(question: str) -> str:
    try:
        return input(question).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def _refuse(reason: str) -> int:
    print(f"verify-live: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
