"""The client SDK's package; it may import ``jina_v3.contract`` and nothing else of the inference side."""
