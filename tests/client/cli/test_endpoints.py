"""``jina-v3 endpoints`` against the local AWS."""
