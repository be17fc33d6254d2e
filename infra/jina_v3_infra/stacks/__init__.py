"""The AWS resources of a deployment, as CDK stacks. Importing this starts a Node process, which the CDK runs in."""

from jina_v3_infra.stacks.node import use_node

use_node()  # before anything imports aws_cdk
