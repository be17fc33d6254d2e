"""The commands under ``jina-v3-infra batch``: runs are started, listed, followed and stopped."""
