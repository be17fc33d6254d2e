"""The AWS resources of a deployment, as CDK stacks. Importing aws_cdk starts a Node process."""

from jina_v3_infra.node import use_node

use_node()  # before anything imports aws_cdk
