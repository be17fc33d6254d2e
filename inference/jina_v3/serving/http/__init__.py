"""HTTP: paths, bodies, streams, and the ways a request ends early. Knows nothing of what bodies mean."""
