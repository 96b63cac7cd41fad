"""What every service of unfreeze stands on: a guarded application, errors in one form, headers that keep it safe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from unfreeze.serving.access import OPEN_PATHS, Access, SafeAnswers
from unfreeze.serving.answers import ErrorAnswer, PictureAnswer, PredictAnswer
from unfreeze.serving.refusing import add_error_handlers
from unfreeze.version import __version__

__all__ = [
    "Lifespan",
    "either_answer",
    "error_answers",
    "json_answer",
    "multipart_body",
    "new_app",
    "none_readable",
    "predictions_answer",
    "token_told",
]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
BINARY = {"type": "string", "format": "binary"}
TELLING_OF_EACH = {413: "Too many bytes or files", 422: "A field is unknown or missing"}
REASONS = {
    400: "The form is malformed.",
    401: "The token is missing or wrong.",
    403: "Another web page sent this.",
    404: "There is no such class or picture.",
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


def token_told(*, secured: bool) -> list[Any]:
    """Return a route's dependencies that tell OpenAPI of the token; `Access` checks it before any route."""
    return [Depends(HTTPBearer(auto_error=False))] if secured else []


def error_answers(*statuses: int, secured: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes the errors of a route; with 401, where a token is asked for."""
    return {
        status: {"model": ErrorAnswer, "description": REASONS[status]}
        for status in sorted({*statuses, *((401,) if secured else ())})
    }


def either_answer(answer: type[BaseModel], description: str) -> dict[str, Any]:
    """Return how OpenAPI describes a status that tells either of the request, or of each picture."""
    return {"model": answer | ErrorAnswer, "description": description}


def none_readable() -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes that of all pictures none could be predicted; see `predictions_answer`."""
    return {
        status: either_answer(PredictAnswer, f"{why}, or no picture can be read: each says why.")
        for status, why in TELLING_OF_EACH.items()
    }


def json_answer(answer: BaseModel, *, status: int = HTTPStatus.OK) -> Response:
    """Return an answer as JSON, without what was not set in it."""
    content = answer.model_dump_json(by_alias=True, exclude_unset=True)
    return Response(content, status_code=status, media_type="application/json")


def predictions_answer(found: Sequence[PictureAnswer]) -> Response:
    """Return the answer to a request for predictions, as JSON.

    Its status is 200 if one picture could be read; else 413 where all have too many pixels, and 422 otherwise.
    """
    codes = {picture.error.code if picture.error is not None else None for picture in found}
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if None in codes:
        status = HTTPStatus.OK
    elif codes == {"too_many_pixels"}:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return json_answer(PredictAnswer(predictions=list(found)), status=status)


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
