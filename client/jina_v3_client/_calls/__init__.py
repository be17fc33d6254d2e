"""One request's way to an answer: attempts, waits, hedges; no input or output but in the drivers."""
