"""The command ``jina-v3-infra``: checks before a deployment, the deployment in steps, and its end.

Everything it does on AWS goes through one ``account.Account``; the stacks are the CDK's, the model and the image are
``jina_v3_infra.publish``'s.
"""
