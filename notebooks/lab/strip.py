"""`python -m lab.strip`: take out of the notebooks what a run has left in them, so that they can be committed."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from lab.run import FOLDER

METADATA: Final = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def stripped(content: str) -> str:
    """Return a notebook's text without outputs, counts and metadata."""
    notebook: dict[str, Any] = json.loads(content)
    notebook["metadata"] = METADATA
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Strip them all; returns the exit status."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        content = path.read_text(encoding="utf-8")
        if (without := stripped(content)) != content:
            path.write_text(without, encoding="utf-8")
            print(f"stripped {path.stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
