"""`python -m openapi`: write docs/openapi.json, and docs/api.md from it."""

from __future__ import annotations

import json

from openapi.document import PATH, write_document
from openapi.page import PAGE, write_page

written = write_document()
PATH.write_text(written, encoding="utf-8")
PAGE.write_text(write_page(json.loads(written)), encoding="utf-8")
for path in (PATH, PAGE):
    print(f"wrote {path.name}, {path.stat().st_size} bytes")
