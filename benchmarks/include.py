"""Put the tables of ``results/*.md`` into the README between its markers; ``python -m benchmarks.include``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
_PICTURE = re.compile(r"\]\(([\w.-]+\.(?:svg|png))\)")
_BLOCK = re.compile(r"<!-- (results/[\w.-]+) -->\n.*?<!-- end -->", re.DOTALL)


def included(readme: str, folder: Path) -> str:
    """Return ``readme`` with each marked block replaced by its file, or by "Not measured." where there is none."""

    def fill(match: re.Match[str]) -> str:
        path = folder / match[1]
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else "Not measured."
        demoted = re.sub(r"^#", "###", text, flags=re.MULTILINE)
        demoted = _PICTURE.sub(r"](results/\1)", demoted)  # it lies beside the table
        return f"<!-- {match[1]} -->\n{demoted}\n<!-- end -->"

    return _BLOCK.sub(fill, readme)


def main() -> int:
    """Rewrite ``benchmarks/README.md`` in place."""
    path = HERE / "README.md"
    path.write_text(included(path.read_text(encoding="utf-8"), HERE), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
