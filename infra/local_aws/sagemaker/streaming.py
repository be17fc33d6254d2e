"""An answer as AWS's event stream: each part as the container sends it.

**Source**: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the same encoding)
"""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Callable, Iterator
from typing import Final

import urllib3

_PART_BYTES: Final = 64 * 1024
_STRING: Final = 7  # the type of a header's value


class EventStream:
    """The events of one answer, as a WSGI server wants them; ``leave`` is called once, whatever happens."""

    def __init__(self, response: urllib3.BaseHTTPResponse, leave: Callable[[], None]) -> None:
        self._response = response
        self._leave = leave
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            while part := self._response.read1(_PART_BYTES):
                yield encode_event("PayloadPart", "application/octet-stream", part)
            if self._response.length_remaining:
                raise urllib3.exceptions.ProtocolError("the body is shorter than it should be")
        except urllib3.exceptions.ReadTimeoutError:
            message = "The model failed to finish sending the response within the timeout period."
            yield _encode_error("ModelInvocationTimeExceeded", message)
        except (urllib3.exceptions.HTTPError, OSError):
            message = "The TCP connection between the client and the model was reset or closed."
            yield _encode_error("StreamBroken", message)
        finally:
            self.close()

    def close(self) -> None:
        """End the call, whether its answer has come to an end or its caller has gone."""
        if not self._closed:
            self._closed = True
            self._response.close()  # not back to the pool: what is left of it is not known
            self._leave()


def encode_event(kind: str, content_type: str, payload: bytes) -> bytes:
    """Write an event."""
    return _encode({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def _encode_error(code: str, message: str) -> bytes:
    headers = {
        ":message-type": "exception",
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
    }
    return _encode(headers, json.dumps({"Message": message, "ErrorCode": code}).encode())


def _encode(headers: dict[str, str], payload: bytes) -> bytes:
    written = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(written) + len(payload), len(written))  # 16: prelude, its sum, the last sum
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + written + payload
    return message + struct.pack(">I", binascii.crc32(message))
