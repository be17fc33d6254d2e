from pathlib import Path

import pytest

from jina_v3.config import DTYPES, Config, ConfigError
from jina_v3.contract import Limits, Task
from jina_v3.encoder.precision import PRECISIONS


def test_defaults_are_the_containers():
    config = Config.from_environment({"PATH": "/bin", "SAGEMAKER_REGION": "eu-central-1"})
    assert config == Config()
    assert (config.base_folder, config.port, config.host) == (Path("/opt/ml"), 8080, "0.0.0.0")
    assert config.limits == Limits()


def test_every_setting_is_read():
    config = Config.from_environment(
        {
            "SAGEMAKER_BASE_DIR": "/x",
            "SAGEMAKER_PROGRAM": "mine",
            "SAGEMAKER_BIND_TO_PORT": "9000",
            "JINA_V3_BIND_HOST": "127.0.0.1",
            "JINA_V3_MODEL": "/m",
            "JINA_V3_DEVICE": "cuda:1",
            "JINA_V3_DTYPE": "bf16",
            "JINA_V3_DEFAULT_TASK": "retrieval.passage",
            "JINA_V3_MAX_TEXTS": "7",
            "JINA_V3_MAX_TOKENS": "512",
            "JINA_V3_MAX_BODY_BYTES": "1000",
            "JINA_V3_BODY_TIMEOUT_S": "1.5",
            "JINA_V3_SHUTDOWN_TIMEOUT_S": "10",
        }
    )
    assert config.program == "mine.py"
    assert config.program_is_set
    assert (config.device, config.dtype, config.model_folder) == ("cuda:1", "bfloat16", Path("/m"))
    assert config.default_task is Task.RETRIEVAL_PASSAGE
    assert (config.limits.max_texts, config.limits.max_body_bytes) == (7, 1000)
    assert config.limits.max_tokens_per_text == 512
    assert (config.body_timeout_s, config.shutdown_timeout_s, config.port) == (1.5, 10.0, 9000)


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("JINA_V3_DEVICE", "gpu", "auto, cpu, cuda"),
        ("JINA_V3_DTYPE", "int4", "bfloat16, float16, float16-fast, float8 or float8-mlp"),
        ("JINA_V3_DEFAULT_TASK", "retrieval", "text-matching"),
        ("JINA_V3_MAX_TEXTS", "0", "from 1"),
        ("JINA_V3_MAX_TOKENS", "8193", "from 16 to 8192"),
        ("JINA_V3_MAX_TOKENS", "15", "from 16 to 8192"),
        ("JINA_V3_MAX_TEXTS", "9" * 5000, "from 1"),
        ("JINA_V3_MAX_BODY_BYTES", "25MB", "whole number"),
        ("JINA_V3_BODY_TIMEOUT_S", "nan", "seconds"),
        ("SAGEMAKER_BIND_TO_PORT", "70000", "65535"),
        ("SAGEMAKER_PROGRAM", "../evil.py", "Python file"),
        ("JINA_V3_MAX_TEXT", "5", "did you mean JINA_V3_MAX_TEXTS"),
        ("JINA_V3_ZZZ", "", "may come BIND_HOST, MODEL"),
    ],
)
def test_what_cannot_be_is_refused_by_name(variable, value, part):
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({variable: value})
    assert variable in str(caught.value)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", [*DTYPES, "auto", "fp32", "bf16", "fp16", "fp16-fast", "fp8", "fp8-mlp"])
def test_every_dtype_is_one_that_the_encoder_knows(name):
    read = Config.from_environment({"JINA_V3_DTYPE": name}).dtype
    assert read in PRECISIONS if name != "auto" else read is None


def test_no_dtype_of_the_encoders_is_missing():
    assert list(DTYPES) == list(PRECISIONS)


def test_what_a_gpu_computes_with():
    config = Config.from_environment(
        {"JINA_V3_KERNELS": "torch", "JINA_V3_ATTENTION": "flash3", "JINA_V3_GRAPHS": "False"}
    )
    assert (config.kernels, config.attention, config.graphs) == ("torch", "flash3", False)
    for name in ("JINA_V3_KERNELS", "JINA_V3_ATTENTION", "JINA_V3_GRAPHS"):
        with pytest.raises(ConfigError, match=rf"{name}='cuda' cannot be: it must be .*(triton|flash3|true)"):
            Config.from_environment({name: "cuda"})


def test_a_blank_setting_is_none_at_all():
    assert Config.from_environment({"JINA_V3_DEVICE": " ", "SAGEMAKER_BASE_DIR": ""}) == Config()


def test_what_the_command_of_the_client_reads_is_left_to_it() -> None:
    given = {"JINA_V3_DEPLOYMENT": "jina-v3-dev", "JINA_V3_ENDPOINT": "texts"}
    assert Config.from_environment(given) == Config.from_environment({})
    with pytest.raises(ConfigError, match="JINA_V3_ENDPOINTS"):
        Config.from_environment({"JINA_V3_ENDPOINTS": "texts"})
