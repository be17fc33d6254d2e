"""`python -m pages.drawing`: write docs/assets/architecture.svg."""

from __future__ import annotations

from pages.drawing.drawing import PATH, draw

PATH.write_text(draw(), encoding="utf-8")
print(f"wrote {PATH.name}, {PATH.stat().st_size} bytes")
