"""Batch transform: the stack that embeds datasets, and what it consists of."""
