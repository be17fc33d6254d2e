"""AWS on this machine: moto's server and what it lacks, in one process on loopback, with real `serve` processes.

It knows nothing of the project's stacks: whatever template, boto3 call or CDK app comes is treated alike.
"""
