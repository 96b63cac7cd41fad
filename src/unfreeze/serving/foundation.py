"""What every service of unfreeze stands on: a guarded application, errors in one form, headers that keep it safe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI

from unfreeze.serving.access import OPEN_PATHS, Access, SafeAnswers
from unfreeze.serving.answers import ErrorAnswer
from unfreeze.serving.refusing import add_error_handlers
from unfreeze.version import __version__

__all__ = ["Lifespan", "error_answers", "multipart_body", "new_app"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
BINARY = {"type": "string", "format": "binary"}
REASONS = {
    400: "The form is malformed.",
    401: "The token is missing or wrong.",
    403: "Another web page sent this.",
    408: "The upload took too long.",
    409: "Something else must come first.",
    413: "Too many bytes, files or pixels.",
    415: "Not a form.",
    421: "The service does not go by this name.",
    422: "A field is unknown, or no picture can be read.",
    500: "Something went wrong in the service.",
    501: "This service cannot do that.",
    503: "As much is in flight as may be; the header Retry-After says when to try again.",
    504: "The answer took too long.",
}


def new_app(
    *,
    title: str,
    description: str,
    hosts: Collection[str],
    token: str | None = None,
    open_paths: Collection[str] = OPEN_PATHS,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """Return an application without routes.

    Its documentation is /openapi.json; the pages that FastAPI has for it load scripts from elsewhere, and are off.

    Args:
        title: its name.
        description: what it does.
        hosts: names by which it may be called; see `Access`.
        token: what requests must carry; None: nothing.
        open_paths: what is answered without the token.
        lifespan: what is opened before, and closed after.
    """
    app = FastAPI(
        title=title,
        description=description,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    add_error_handlers(app)
    app.add_middleware(Access, hosts=hosts, token=token, open_paths=open_paths)
    app.add_middleware(SafeAnswers)
    return app


def error_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes the errors of a route."""
    return {status: {"model": ErrorAnswer, "description": REASONS[status]} for status in sorted(statuses)}


def multipart_body(
    file_field: str, *, many: bool, texts: Sequence[str] = (), choices: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Return how OpenAPI describes a form of files and texts, which routes read themselves, within limits.

    Args:
        file_field: the field of files.
        many: it may be given several times.
        texts: names of text fields, none of which must be given.
        choices: what a text field may be, where that is not anything.
    """
    given = {name: {"enum": list(values)} for name, values in (choices or {}).items()}
    files = {"type": "array", "items": BINARY, "minItems": 1} if many else BINARY
    schema = {
        "type": "object",
        "properties": {file_field: files, **{name: {"type": "string", **given.get(name, {})} for name in texts}},
        "required": [file_field],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
