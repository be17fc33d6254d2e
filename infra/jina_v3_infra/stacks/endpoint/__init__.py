"""The endpoint: the stack that serves, and what it consists of."""
