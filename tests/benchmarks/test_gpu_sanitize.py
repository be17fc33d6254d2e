"""The program that launches every kernel between guard rows, and what drives NVIDIA's sanitizer over it."""

from pathlib import Path

import pytest
import torch
from benchmarks import gpu_sanitize
from benchmarks.gpu_launches import GuardError, launch_all, launches

from jina_v3.encoder.fused.kernels.reference import ReferenceKernels

CPU = torch.device("cpu")
OPERATIONS = ("embed", "rotate_", "attend_short", "adapt", "add_norm", "gelu", "sum_segments", "quantize_rows")


def beyond(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    """The row behind a tensor's last, or before its first, whatever is there."""
    offset = tensor.storage_offset() + rows * tensor.stride(0)
    return tensor.as_strided((1, *tensor.shape[1:]), tensor.stride(), offset)


class Overflowing(ReferenceKernels):
    """Writes one row too many in one operation."""

    def __init__(self, operation: str, *, before: bool) -> None:
        correct = getattr(self, operation)

        def run(*arguments: object) -> None:
            correct(*arguments)
            tensors = [one for one in arguments if isinstance(one, torch.Tensor) and one.ndim == 2]
            written = tensors[0] if operation == "rotate_" else tensors[-1]
            beyond(written.view(torch.uint8), -1 if before else len(written)).zero_()

        setattr(self, operation, run)


def test_correct_kernels_leave_the_guards_alone() -> None:
    each = len(list(launches(ReferenceKernels(), CPU, torch.float16, 1)))
    assert launch_all(ReferenceKernels(), CPU, [1, 17]) == 2 * 2 * each


def test_every_operation_is_launched() -> None:
    names = {one.name.split(",")[0] for one in launches(ReferenceKernels(), CPU, torch.bfloat16, 1)}
    assert names == set(OPERATIONS)
    assert names == {name for name in vars(ReferenceKernels) if not name.startswith("_") and name != "name"}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_row_too_many_is_found(operation: str, before: bool) -> None:
    with pytest.raises(GuardError, match=f"{operation}.*written {'before' if before else 'behind'}"):
        launch_all(Overflowing(operation, before=before), CPU, [17])


def test_without_the_sanitizer_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpu_sanitize.main([]) == 2
    assert "CUDA toolkit" in capsys.readouterr().err


@pytest.mark.parametrize(("statuses", "wanted"), [((0, 0, 0, 0), 0), ((0, 9, 0, 0), 9), ((0, 0, 0, 134), 134)])
def test_the_worst_tools_status_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, ...], wanted: int
) -> None:
    """A stand-in for compute-sanitizer, which ends with a tool's status and writes down how it was called."""
    cases = " ".join(f"{tool}) exit {status};;" for tool, status in zip(gpu_sanitize.TOOLS, statuses, strict=True))
    program = tmp_path / "compute-sanitizer"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/$2-called; echo report > "$6"\ncase $2 in {cases} esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpu_sanitize.main(["--out", str(tmp_path / "reports")]) == wanted
    for tool in gpu_sanitize.TOOLS:
        assert (tmp_path / "reports" / f"sanitize-{tool}.txt").read_text() == "report\n"
        called = (tmp_path / f"{tool}-called").read_text().split()
        assert called[:4] == ["--tool", tool, "--error-exitcode", str(gpu_sanitize.FOUND)]
        assert called[-3:] == ["-m", "benchmarks.gpu_sanitize", "--launch"]
