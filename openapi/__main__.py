"""`python -m openapi`: write docs/openapi.json."""

from __future__ import annotations

from openapi.document import PATH, write_document

PATH.write_text(write_document(), encoding="utf-8")
print(f"wrote {PATH.name}, {PATH.stat().st_size} bytes")
