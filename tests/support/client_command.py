"""The command ``jina-v3`` as a process of its own, on a local AWS."""

import json
import os
import subprocess
import sys

from local_aws.server import LocalAws


def jina_v3(
    aws: LocalAws, region: str, *words: str, given: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; whatever comes of it, no person sees a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "jina_v3_client", *words],
        env=os.environ | aws.environment(region) | environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def succeed(aws: LocalAws, region: str, *words: str, given: str = "") -> str:
    """Run it, and return what it printed."""
    done = jina_v3(aws, region, *words, given=given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_all_is_well_but_the_width(examined: str) -> None:
    """Pass what ``doctor --json`` said of a deployment of a stand-in, which answers, in fewer dimensions."""
    checks = json.loads(examined)["checks"]
    (narrow,) = (one for one in checks if one["verdict"] == "wrong")
    assert narrow["check"] == "call"
    assert "dimensions was not 1024" in narrow["sentence"]
    assert {"credentials", "identity", "endpoint", "machines"} <= {one["check"] for one in checks}
