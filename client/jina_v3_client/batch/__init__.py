"""Whole datasets: submitted, followed from any process, and their vectors and bad records streamed back."""
