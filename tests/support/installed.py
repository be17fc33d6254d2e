"""What a package brings along, told from what is installed: names, and bytes on the disk."""

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def base_requirements() -> list[str]:
    """What the base install asks for, without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """All distributions that these bring along on this machine, by canonical name; markers and extras count."""
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(Requirement(one), "") for one in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError as error:
            raise AssertionError(f"{name} is asked for, and not installed") from error
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in done:
                done.add((name, wanted))
                waiting += [(Requirement(one), wanted) for one in found[name].requires or ()]
    return found


def size_bytes(installed: Distribution) -> int:
    """Bytes of a distribution's files, as its record has them; compiled Python is not among them."""
    return sum(file.size or 0 for file in installed.files or () if not file.name.endswith(".pyc"))
