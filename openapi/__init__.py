"""The OpenAPI 3.1 document of the server, made from the contract and the code's own tables.

`python -m openapi` writes `docs/openapi.json`. Nothing that ships imports this package.
"""
