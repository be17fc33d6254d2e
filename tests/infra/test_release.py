"""Names by content: the same content has the same name everywhere, and one byte more makes another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jina_v3_infra.artifact import ArtifactError, find_source_root
from jina_v3_infra.config import Deployment, check_deployment
from jina_v3_infra.hub import PINNED_REVISIONS, HubError
from jina_v3_infra.release import OWN_PREFIXES, Release, plan_release


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small source root of the shape of ``inference/``."""
    root = tmp_path / "sources"
    for name in ("inference.py", "requirements.txt", "Dockerfile", "image/packages.txt", "jina_v3/contract.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}\n")
    return root


@pytest.fixture
def local(tiny_model: Path, tmp_path: Path) -> Deployment:
    """A deployment of a model folder."""
    shutil.copytree(tiny_model, tmp_path / "model")
    return check_deployment({"model": {"source": str(tmp_path / "model")}})


def test_the_same_content_has_the_same_names(local: Deployment, sources: Path, tmp_path: Path) -> None:
    first = plan_release(local, sources)
    shutil.copytree(sources, tmp_path / "elsewhere")
    shutil.copytree(local.model.source, tmp_path / "another-model")
    (tmp_path / "elsewhere/inference.py").touch()
    elsewhere = check_deployment({"model": {"source": str(tmp_path / "another-model")}, "name": "other"})
    assert plan_release(elsewhere, tmp_path / "elsewhere") == first


@pytest.mark.parametrize(
    ("changed", "image", "model"),
    [
        ("Dockerfile", True, False),
        ("image/packages.txt", True, False),
        ("jina_v3/contract.py", True, True),
        ("inference.py", False, True),
        ("requirements.txt", False, True),
    ],
)
def test_one_byte_changes_the_name_of_what_holds_it_alone(
    local: Deployment, sources: Path, changed: str, image: bool, model: bool
) -> None:
    before = plan_release(local, sources)
    with (sources / changed).open("a") as file:
        file.write("!")
    after = plan_release(local, sources)
    assert (after.image_tag != before.image_tag, after.model != before.model) == (image, model)


def test_a_new_or_renamed_file_changes_the_name(local: Deployment, sources: Path) -> None:
    names = {plan_release(local, sources)}
    (sources / "jina_v3/more.py").write_text("")
    names.add(plan_release(local, sources))
    (sources / "jina_v3/more.py").rename(sources / "jina_v3/other.py")
    names.add(plan_release(local, sources))
    assert len({name.image_tag for name in names}) == len({name.model for name in names}) == 3


def test_weights_change_the_model_and_not_the_image(local: Deployment, sources: Path) -> None:
    before = plan_release(local, sources)
    weights = Path(local.model.source) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    after = plan_release(local, sources)
    assert after.image_tag == before.image_tag
    assert after.model != before.model


def test_the_image_is_named_by_its_torch_and_its_base_too(sources: Path) -> None:
    names = [
        plan_release(check_deployment({"image": image, **cpu}), sources).image_tag
        for image, cpu in (
            ({}, {}),
            ({"torch": "cu130"}, {}),
            ({"base": "mirror/base@sha256:1"}, {}),
            ({"base": "mirror/base@sha256:2"}, {}),
            ({"torch": "cpu"}, {"endpoint": {"variants": [{"instance_type": "ml.c7i.xlarge"}]}}),
        )
    ]
    assert len(set(names)) == len(names)
    assert [str(name).partition("-")[0] for name in names] == ["cu128", "cu130", "cu128", "cu128", "cpu"]
    assert plan_release(check_deployment({"image": {"build": "docker"}}), sources).image_tag == names[0]


def test_what_is_there_already_needs_no_name(sources: Path) -> None:
    image = {"uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/jina:1"}
    deployment = check_deployment({"image": image, "model": {"source": "s3://bucket/models/"}})
    assert plan_release(deployment, sources) == Release(image_tag=None, model=None)


def test_a_hub_id_stands_for_its_commit(sources: Path) -> None:
    pinned = plan_release(check_deployment({}), sources).model
    assert str(pinned).startswith(PINNED_REVISIONS["jinaai/jina-embeddings-v3"][:12])
    other = plan_release(check_deployment({"model": {"revision": "f" * 40}}), sources).model
    assert str(other) == f"{'f' * 12}-{str(pinned).partition('-')[2]}"
    with pytest.raises(HubError, match="someone/else"):
        plan_release(check_deployment({"model": {"source": "someone/else"}}), sources)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, sources: Path) -> None:
    with pytest.raises(ArtifactError, match="safetensors"):
        plan_release(check_deployment({"model": {"source": str(tmp_path)}}), sources)


def test_names_fit_where_they_are_used() -> None:
    release = plan_release(check_deployment({}), find_source_root())
    assert release.source_key == f"sources/{release.image_tag}.zip"
    assert release.model_prefix == f"models/{release.model}/"
    assert release.archive_key == f"archives/{release.model}/model.tar.gz"
    assert release.manifest_key == f"manifests/{release.model}.json"
    keys = (release.source_key, release.model_prefix, release.archive_key, release.manifest_key)
    assert sorted(key.partition("/")[0] + "/" for key in keys) == sorted(OWN_PREFIXES)
    assert len(str(release.image_tag)) <= 128  # ECR's limit
