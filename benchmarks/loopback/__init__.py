"""SageMaker's runtime on loopback, for measuring and for testing clients: fast, strict, and faulty on demand."""
