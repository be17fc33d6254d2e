"""What a container needs to start: the image, the model's data, the environment.

It says what went wrong, and knows nothing of what the container is for; whoever asks says it in the service's words.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws.sagemaker.container import Container, Program
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.journal import Journal
from local_aws.sagemaker.model_data import fetch_model, remove_model


class ImageError(Exception):
    """There is no image of this name, or it has no program ``serve``."""


def prepare_container(
    hosting: Hosting,
    region: str,
    group: str,
    folder: Path,
    name: str,
    definition: Mapping[str, Any],
    startup_limit_s: float,
) -> Container:
    """Fetch what a container needs into a folder, which is made anew; it is for the caller to start it.

    Its log goes to the log group ``group``, to streams that begin with ``name``.

    **Raises**: ``ImageError``, ``ModelDataError``.
    """
    image = hosting.images.find(definition["Image"])
    if image is None or not (image / "image" / "serve").is_file():
        raise ImageError(definition["Image"])
    if folder.exists():
        remove_model(folder / "model")
        shutil.rmtree(folder)
    fetch_model(hosting.client("s3", region), dict(definition), folder / "model", hosting.model_cache)
    program = Program(
        image=image,
        base=folder,
        environment=definition.get("Environment", {}),
        overrides=hosting.settings.container_environment,
        startup_limit_s=startup_limit_s,
    )
    journal = Journal(folder / "container.log", hosting.client("logs", region), group)
    container = Container(program, journal, name)
    hosting.adopt(container)
    return container
