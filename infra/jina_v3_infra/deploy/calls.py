"""How to call what was deployed: the same request with our client and its command, boto3, the AWS CLI and curl."""

from __future__ import annotations

import json
import shlex
from typing import Final

from jina_v3_infra.config import AsynchronousSettings
from jina_v3_infra.prefixes import asynchronous_prefixes

_TEXT: Final = "How do I return a parcel?"
_REQUEST: Final = {"input": [_TEXT], "task": "retrieval.query"}


def example_calls(name: str, endpoint: str, region: str, address: str, component: str | None = None) -> str:
    """Return examples for a deployment's endpoint; ``address`` is that of SageMaker's runtime, a local one included.

    They take the credentials of the shell's environment. A token that is not there must not be sent as an empty one;
    the option and its value are one word, so that every shell takes it, or none of it.
    """
    body = json.dumps(_REQUEST)
    python_component = f'    InferenceComponentName="{component}",\n' if component else ""
    cli_component = f" --inference-component-name {component}" if component else ""
    curl_component = f"  -H 'x-amzn-sagemaker-inference-component: {component}' \\\n" if component else ""
    return f"""\
Python:
  from jina_v3_client import EmbeddingClient
  client = EmbeddingClient.from_deployment("{name}", region="{region}")
  print(client.embed_query("{_TEXT}"))

command line:
  jina-v3 embed "{_TEXT}" --task retrieval.query --deployment {name} --region {region}

boto3:
  import boto3
  answer = boto3.client("sagemaker-runtime", region_name="{region}").invoke_endpoint(
    EndpointName="{endpoint}",
{python_component}    ContentType="application/json",
    Body='{body}',
  )
  print(answer["Body"].read())

AWS CLI:
  aws sagemaker-runtime invoke-endpoint --region {region} --endpoint-name {endpoint}{cli_component} \\
    --content-type application/json --cli-binary-format raw-in-base64-out \\
    --body {shlex.quote(body)} /dev/stdout

curl:
  curl --aws-sigv4 aws:amz:{region}:sagemaker --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
    ${{AWS_SESSION_TOKEN:+-H"x-amz-security-token: $AWS_SESSION_TOKEN"}} -H 'content-type: application/json' \\
  {curl_component}  --data {shlex.quote(body)} {address}/endpoints/{endpoint}/invocations
"""


def example_router_calls(router: str, target: str, region: str, address: str) -> str:
    """Return the examples for an inference router; ``address`` is that of its runtime, a service of its own."""
    body = json.dumps(_REQUEST)
    return f"""\
Python:
  from jina_v3_client import EmbeddingClient, InferenceRouter
  client = EmbeddingClient(InferenceRouter("{router}", region="{region}"))
  print(client.embed_query("{_TEXT}"))

command line:
  jina-v3 embed "{_TEXT}" --task retrieval.query --router {router} --region {region}

boto3:
  import boto3
  answer = boto3.client("sagemaker-inference-router-runtime", region_name="{region}").invoke_inference_router(
    InferenceRouterName="{router}",
    RoutingTargetName="{target}",
    ContentType="application/json",
    Body='{body}',
  )
  print(answer["Body"].read(), answer["InvokedRoutedResourceArn"])

AWS CLI:
  aws sagemaker-inference-router-runtime invoke-inference-router --region {region} \\
    --inference-router-name {router} --routing-target-name {target} \\
    --content-type application/json --cli-binary-format raw-in-base64-out \\
    --body {shlex.quote(body)} /dev/stdout

curl:
  curl --http1.1 --aws-sigv4 aws:amz:{region}:sagemaker --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
    ${{AWS_SESSION_TOKEN:+-H"x-amz-security-token: $AWS_SESSION_TOKEN"}} -H 'content-type: application/json' \\
    -H 'x-amzn-sagemaker-routing-target-name: {target}' \\
    --data {shlex.quote(body)} {address}/inference-routers/{router}/invocations
"""


def example_asynchronous_call(
    name: str, endpoint: str, region: str, bucket: str, settings: AsynchronousSettings
) -> str:
    """Return examples for a deployment's asynchronous endpoint, whose input is an object where it may read.

    The CLI's answer names where output or failure will be. Both time limits are SageMaker's defaults, at most 3600 and
    21600.
    """
    inputs, outputs, failures = asynchronous_prefixes(settings)
    place = f"s3://{bucket}/{inputs}example.json"
    return f"""\
Python:
  from jina_v3_client import EmbeddingClient
  client = EmbeddingClient.from_deployment("{name}", region="{region}")
  print(client.embed(["{_TEXT}"], task="retrieval.query", route="asynchronous").vectors)

command line:
  jina-v3 embed "{_TEXT}" --task retrieval.query --deployment {name} --region {region}

AWS CLI:
  echo '{json.dumps(_REQUEST)}' | aws s3 cp - {place}
  aws sagemaker-runtime invoke-endpoint-async --region {region} --endpoint-name {endpoint} \\
    --content-type application/json --input-location {place} \\
    --invocation-timeout-seconds 900 --request-ttl-seconds 21600
  aws s3 ls s3://{bucket}/{outputs} && aws s3 ls s3://{bucket}/{failures}   # one of both, once it is done
"""
