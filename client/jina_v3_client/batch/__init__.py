"""Whole datasets: submitted, followed from any process, and their vectors and bad records streamed back."""

from jina_v3_client.batch.client import BatchClient
from jina_v3_client.batch.records import BadRecord, BatchRecord
from jina_v3_client.batch.result import BatchResult
from jina_v3_client.batch.run import BatchRun
from jina_v3_client.batch.status import BatchStatus

__all__ = ["BadRecord", "BatchClient", "BatchRecord", "BatchResult", "BatchRun", "BatchStatus"]
