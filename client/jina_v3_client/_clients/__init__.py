"""The two clients, and what they share: calls, windows of requests in flight, progress."""
