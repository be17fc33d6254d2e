"""A small suite that proves the machinery of an evaluation on a stand-in whose vectors can be foretold.

It says nothing about the real model. What it says: texts get their adapter, their prompt, the mean over their own
tokens, their own row, the right cut and the right span, and the scores made of the vectors are right.
"""
