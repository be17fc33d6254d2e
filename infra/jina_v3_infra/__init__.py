"""What puts a model into an account: fetching checkpoints, packing artifacts, and the stacks."""
