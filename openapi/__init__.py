"""The OpenAPI 3.1 document of the server, made from the contract and the code's own tables.

`python -m openapi` writes `docs/openapi.json`, and `docs/api.md` from it. Nothing that ships imports this package.
"""
