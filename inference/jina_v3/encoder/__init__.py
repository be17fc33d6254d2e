"""From texts to vectors; knows nothing of HTTP or SageMaker."""
