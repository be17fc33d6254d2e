"""The steps of the batch state machine that run as a Lambda function: plan, reshard, verify, settle, report.

It runs on the function's own runtime: the standard library and boto3, nothing else. It knows nothing of the stacks.
"""
