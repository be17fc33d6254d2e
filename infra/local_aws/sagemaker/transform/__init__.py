"""Batch transform: jobs that take files in S3 through a container, and what of them the API shows."""
