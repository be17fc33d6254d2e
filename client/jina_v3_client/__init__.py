"""The client SDK: signs, routes, and never loses a text.

It may import ``jina_v3.contract`` and nothing else of the inference side.
"""
