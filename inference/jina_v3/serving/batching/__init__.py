"""Batches across requests: who waits, whose turn it is, and what becomes of each."""
