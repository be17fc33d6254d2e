"""What the notebooks share: where their deployment stands, the stand-in they deploy, their texts, and their plots.

It knows the client, the infrastructure and the local AWS. Nothing but the notebooks and their tests knows it.
"""
