"""Run AWS's own sagemaker-inference toolkit over an unpacked artifact; a JSON request a line in, an answer a line out.

Started by ``test_toolkit.py`` as a process of its own, so that ``jina_v3`` comes from the artifact's ``code/`` alone.
The context is one object, renewed for each request, as AWS's model servers have it.
"""

import base64
import json
import os
import sys
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
CODE = BASE / "model" / "code"
sys.path[:] = [str(CODE), *(path for path in sys.path if not (Path(path or ".") / "jina_v3").is_dir())]


class RequestProcessor:
    def __init__(self, headers):
        self.headers, self.status, self.phrase = headers, 200, None
        self.response_headers = {}

    def get_request_properties(self):
        return self.headers


class Context:
    def __init__(self, model_dir):
        self.system_properties = {"model_dir": model_dir, "gpu_id": None, "batch_size": 1}
        self.request_processor = [RequestProcessor({})]
        self.request_ids = {0: "none"}

    def get_request_id(self, idx=0):
        return self.request_ids[idx]

    def set_response_status(self, code=200, phrase="", idx=0):
        self.request_processor[idx].status, self.request_processor[idx].phrase = code, phrase

    def set_response_content_type(self, idx, value):
        self.request_processor[idx].response_headers["content-type"] = value


def main():
    from sagemaker_inference.default_handler_service import DefaultHandlerService

    context = Context(os.environ.get("TOOLKIT_MODEL_DIR", str(BASE / "model")))
    service = DefaultHandlerService()
    service.initialize(context)
    import jina_v3

    answer({"package": str(Path(jina_v3.__file__).parent)})
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        processor = RequestProcessor(request["headers"])
        context.request_processor, context.request_ids = [processor], {0: f"request-{number}"}
        (body,) = service.handle([{"body": bytearray(base64.b64decode(request["body"]))}], context)
        body = body.encode() if isinstance(body, str) else bytes(body)
        answer(
            {
                "status": processor.status,
                "phrase": processor.phrase,
                "content_type": processor.response_headers.get("content-type"),
                "body": base64.b64encode(body).decode(),
            }
        )


def answer(value):
    sys.__stdout__.write(json.dumps(value) + "\n")
    sys.__stdout__.flush()


main()
