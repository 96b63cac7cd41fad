"""What property tests send to a service."""

from __future__ import annotations

import io

from hypothesis import strategies as st
from PIL import Image

__all__ = ["pictures"]


def pictures() -> st.SearchStrategy[bytes]:
    """Files that the document's `format: binary` stands for: no schema can say that they must be pictures."""

    def png(size: tuple[int, int]) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", size, (200, 60, 60)).save(content, "PNG")
        return content.getvalue()

    return st.tuples(st.integers(1, 64), st.integers(1, 64)).map(png)
