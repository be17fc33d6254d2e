"""What can be told of the image by reading its files: pins, and the Dockerfile's promises to SageMaker."""

import json
import re
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.dockerfile import Instruction, expand, read_dockerfile

import jina_v3
from jina_v3_infra.artifact import find_source_root
from jina_v3_infra.config.instances import endpoint_instance_types, instance_type

ROOT = find_source_root()
IMAGE = ROOT / "image"
INSTRUCTIONS = read_dockerfile(ROOT / "Dockerfile")
ARGUMENTS = dict(item.value.partition("=")[::2] for item in reversed(INSTRUCTIONS) if item.name == "ARG")
LAST_STAGE = INSTRUCTIONS[max(index for index, item in enumerate(INSTRUCTIONS) if item.name == "FROM") :]
TORCH_FILES = sorted(IMAGE.glob("torch-*.txt"))


def read_pins(path: Path, but: str = "") -> dict[str, str]:
    """Return the versions of a requirements file by normalised name; all but one requirement must be pinned."""
    lines = re.sub(r"\\\n", "", path.read_text().replace(but, "")).splitlines()
    requirements = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert all(requirement.count("==") == 1 for requirement in requirements), requirements
    pairs = [requirement.split("==") for requirement in requirements]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def values_of(name: str) -> list[str]:
    return [item.value for item in LAST_STAGE if item.name == name]


def test_requirements_of_script_mode_are_the_images():
    required = read_pins(ROOT / "requirements.txt", but="torch>=2.10\n")
    assert required.items() <= read_pins(IMAGE / "packages.txt").items()


@pytest.mark.parametrize("path", [IMAGE / "packages.txt", *TORCH_FILES], ids=lambda path: path.name)
def test_versions_are_those_of_the_constraints(path):
    constraints, pins = read_pins(Path("constraints.txt")), read_pins(path)
    shared = constraints.keys() & pins.keys() - {"torch", "triton"}  # see below
    assert {name: pins[name] for name in shared} == {name: constraints[name] for name in shared}
    packages = read_pins(IMAGE / "packages.txt")
    assert all(packages.get(name, version) == version for name, version in pins.items())


def test_torch_is_the_tested_one_but_for_old_drivers():
    pinned = {path.stem: read_pins(path)["torch"] for path in TORCH_FILES}
    tested = read_pins(Path("constraints.txt"))["torch"]
    assert pinned == {"torch-cu128": "2.10.0", "torch-cu130": tested, "torch-cpu": f"{tested}+cpu"}
    assert "nvidia-cuda-runtime-cu12" in read_pins(IMAGE / "torch-cu128.txt")


def test_triton_is_the_one_of_each_torch():
    """Each torch of PyPI asks for exactly one, so with any other among the constraints it could not be installed."""
    pinned = {path.stem: read_pins(path).get("triton") for path in TORCH_FILES}
    tested = read_pins(Path("constraints.txt"))["triton"]
    assert pinned == {"torch-cu128": "3.6.0", "torch-cu130": tested, "torch-cpu": None}


@pytest.mark.parametrize("path", [IMAGE / "packages.txt", *TORCH_FILES], ids=lambda path: path.name)
def test_every_package_has_hashes_and_no_file_names_an_index(path):
    text = path.read_text()
    assert "://" not in text
    if path.name != "torch-cpu.txt":  # which says why
        requirements = re.sub(r"\\\n", "", text).splitlines()
        assert all(re.search(r" --hash=sha256:[0-9a-f]{64}\b", line) for line in requirements if "==" in line)


def test_bases_are_one_image_with_a_tag():
    bases = [item.value for item in INSTRUCTIONS if item.name == "FROM"]
    assert {base.split(" AS ")[0] for base in bases} == {"${BASE_IMAGE}", "packages", "code"}
    assert re.fullmatch(r"public\.ecr\.aws/[\w./-]+:[\w.-]+", ARGUMENTS["BASE_IMAGE"])
    assert not ARGUMENTS["BASE_IMAGE"].endswith("latest")


def test_what_sagemaker_asks_of_an_image():
    assert [json.loads(value) for value in values_of("ENTRYPOINT")] == [["serve"]]
    assert "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true" in values_of("LABEL")[0]
    assert values_of("EXPOSE") == ["8080"]
    assert not {"USER", "CMD", "VOLUME"} & {item.name for item in INSTRUCTIONS}
    assert not any("pip" in item.value for item in LAST_STAGE if item.name == "RUN")
    for setting in ("PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1"):
        assert setting in values_of("ENV")[0].split()


def stage(name: str) -> list[Instruction]:
    """Return a stage's instructions, its FROM among them."""
    starts = [index for index, item in enumerate(INSTRUCTIONS) if item.name == "FROM"]
    for start, end in pairwise([*starts, len(INSTRUCTIONS)]):
        if INSTRUCTIONS[start].value.endswith(f" AS {name}"):
            return INSTRUCTIONS[start:end]
    raise AssertionError(name)


def test_kernels_are_compiled_by_the_images_own_packages_and_code_and_found_where_they_were_made():
    """Triton's cache is valid for the very files that made it, at the very path."""
    assert stage("kernels")[0].value == "code AS kernels"
    assert stage("code")[0].value == "packages AS code"
    [made_in] = [item.value.split("=")[1] for item in stage("kernels") if item.name == "ENV"]
    assert f"TRITON_CACHE_DIR={made_in}" in values_of("ENV")[0].split()
    [copied] = [item.value for item in LAST_STAGE if item.name == "COPY" and item.flags.get("from") == "kernels"]
    assert copied == f"{made_in} {made_in}"


def test_kernels_are_compiled_for_every_gpu_that_has_bf16():
    families = {name.rpartition(".")[0]: name for name in endpoint_instance_types()}
    gpus = [gpu for name in families.values() if (gpu := instance_type(name).gpu)]
    wanted = {"{}{}".format(*gpu.compute_capability) for gpu in gpus if gpu.compute_capability >= (8, 0)}
    [command] = [item.value for item in stage("kernels") if item.name == "RUN"]
    assert set(re.search(r"--architecture([ \d]+);", command)[1].split()) == wanted


def test_the_image_has_no_compiler():
    assert not [item for item in LAST_STAGE if item.name == "RUN"]
    assert not [item.value for item in stage("packages") + stage("code") if re.search(r"\b(dnf|gcc)\b", item.value)]


def test_the_version_is_the_packages():
    assert ARGUMENTS["VERSION"] == jina_v3.__version__
    assert "org.opencontainers.image.version=${VERSION}" in values_of("LABEL")[0]


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    stages = {item.value.split(" AS ")[1] for item in INSTRUCTIONS if item.name == "FROM"}
    for item in (item for item in INSTRUCTIONS if item.name == "COPY"):
        if "from" in item.flags:
            assert item.flags["from"] in stages
            continue
        source = expand(item.value.split()[0], ARGUMENTS)
        assert (ROOT / source).exists()
        assert any(fnmatch(source.split("/")[0], pattern) for pattern in kept)


def test_every_build_of_torch_can_be_chosen():
    [source] = [item.value.split()[0] for item in INSTRUCTIONS if item.name == "COPY" and "TORCH" in item.value]
    assert {path.relative_to(ROOT).as_posix() for path in TORCH_FILES} == {
        expand(source, {"TORCH": build}) for build in ("cu128", "cu130", "cpu")
    }
