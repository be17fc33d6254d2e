"""Parts of ``bench_endpoint``: our HTTP server against others that serve the same model."""
