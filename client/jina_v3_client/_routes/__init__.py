"""The ways texts can go, and which of them: real-time, asynchronous through S3, batch transform."""
