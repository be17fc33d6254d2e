"""The command ``jina-v3``."""
