"""Texts to token sequences, and summed states back to vectors: what needs the tokenizer and no device.

Knows nothing of torch, so that a process that only serves can do it; the encoder and serving both stand on it.
"""
