"""What an earlier run has verified, so that a later one need not do it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.job_state import last_states
from jina_v3_batch.places import read_place
from jina_v3_batch.planning import FileSet, read_job
from jina_v3_batch.run import Run


@dataclass(slots=True)
class Carried:
    """The account of earlier runs: verified files, transform jobs, and shards that are still to be embedded.

    ``verified`` are results as ``verify`` writes them, each with its file's description.
    """

    verified: list[dict[str, Any]] = field(default_factory=list)
    transforms: list[dict[str, Any]] = field(default_factory=list)
    outstanding: list[FileSet] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> frozenset[str]:
        """The keys of verified outputs."""
        return frozenset(result["output"] for result in self.verified if result.get("output"))

    def originals(self) -> frozenset[str]:
        """Return the files of the dataset that these units cover, verified or not; all others are new."""
        covered = {file.original for one in self.outstanding for file in one.files}
        return frozenset(covered | {original_of(result) for result in self.verified})

    def describe(self) -> dict[str, Any]:
        """Return what the report needs, as JSON."""
        return {"verified": self.verified, "transforms": self.transforms, "runs": self.runs}


def original_of(result: Mapping[str, Any]) -> str:
    """Return the key of the dataset's file that a verified result belongs to."""
    file = result["file"]
    return str(file.get("source") or file["key"])


def carry(earlier: Run, now: Sequence[DataFile]) -> Carried:
    """Read what an earlier run, and those it resumed, leave to us; files that changed since do not count."""
    same = {file.key: file.etag for file in now}
    before = earlier.find("carried.json") or {"verified": [], "transforms": [], "runs": []}
    carried = Carried(
        verified=[one for one in before["verified"] if same.get(original_of(one)) == one["file"].get("etag")],
        transforms=before["transforms"],
        runs=[*before["runs"], earlier.name],
    )
    for number, state in last_states(earlier).items():
        job = read_job(earlier.read(f"jobs/{number}/files.json"))
        carried.transforms += state["transforms"]
        left: list[DataFile] = []
        for index, file in enumerate(job.files):
            if same.get(file.original) != file.etag:
                continue
            result = state["verified"].get(str(index))
            if result is not None:
                carried.verified.append({**result, "file": file.describe()})
            elif file.source is not None:
                left.append(file)
        if left:
            carried.outstanding.append(FileSet(read_place(job.place.uri, "prefix"), tuple(left)))
    return carried
