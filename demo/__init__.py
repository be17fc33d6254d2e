"""The demo: `python -m demo` serves a model on loopback and shows what its vectors do."""
