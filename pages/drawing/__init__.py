"""The drawing of docs/architecture.md, from what the repository has: `python -m pages.drawing` writes it."""
