"""The handler functions that SageMaker containers look for, from the ``jina_v3`` package beside this file."""

from jina_v3.serving.handler import input_fn, model_fn, output_fn, predict_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]
