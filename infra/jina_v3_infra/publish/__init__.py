"""The step between the foundation's stack and the endpoint's: the model into S3, the image into ECR."""

from jina_v3_infra.publish.errors import PublishError
from jina_v3_infra.publish.publication import Published, publish

__all__ = ["PublishError", "Published", "publish"]
