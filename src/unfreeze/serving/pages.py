"""The pages of a service: files of this package, read when it starts, and found by exact addresses only."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from unfreeze.reporting.rendering import house_style

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["PAGE", "add_page", "page_addresses"]

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
INDEX = "index.html"
HOUSE_STYLE = "/house.css"


def page_addresses(folder: Path = PAGE) -> frozenset[str]:
    """Return the addresses of a page's files: `/` for index.html, their names for the others."""
    return frozenset({HOUSE_STYLE, *(_address(path) for path in folder.iterdir() if path.suffix in MEDIA_TYPES)})


def add_page(app: FastAPI, folder: Path = PAGE, *, shared: Iterable[Path] = ()) -> None:
    """Let an application answer with a page and its files, and with the colours that reports have, as /house.css.

    Args:
        app: the application.
        folder: index.html and the files that it names.
        shared: files of other pages that it names too.
    """
    _add(app, HOUSE_STYLE, house_style().encode(), MEDIA_TYPES[".css"])
    for path in sorted((*folder.iterdir(), *shared)):
        if path.suffix in MEDIA_TYPES:
            _add(app, _address(path), path.read_bytes(), MEDIA_TYPES[path.suffix])


def _address(path: Path) -> str:
    return "/" if path.name == INDEX else f"/{path.name}"


def _add(app: FastAPI, address: str, content: bytes, media_type: str) -> None:
    app.router.routes.append(Route(address, _answering(content, media_type), methods=["GET"], include_in_schema=False))


def _answering(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers: Mapping[str, str] = {"ETag": tag, "Cache-Control": "no-cache"}  # asked for each time, sent when it changed

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return answer
