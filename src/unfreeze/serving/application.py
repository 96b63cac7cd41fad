"""The routes of `unfreeze serve`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from unfreeze.serving.access import OPEN_PATHS
from unfreeze.serving.admitting import Admission
from unfreeze.serving.answers import ErrorAnswer, HealthAnswer, ModelAnswer, PictureAnswer, PredictAnswer
from unfreeze.serving.foundation import error_answers, multipart_body, new_app
from unfreeze.serving.pages import add_page, page_addresses
from unfreeze.serving.service import Service
from unfreeze.serving.uploads import read_form

__all__ = ["create_app"]

REQUEST_ERRORS = (400, 403, 408, 413, 415, 421, 422, 503, 504)
TELLING_OF_EACH = {413: "Too many bytes or files", 422: "A field is unknown or missing"}
PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
TEXT = {"schema": {"type": "string"}}


def create_app(
    service: Service, description: ModelAnswer, *, token: str | None = None, hosts: Collection[str] = ("localhost",)
) -> FastAPI:
    """Return the application that answers for a network; the service is closed with it.

    Args:
        service: what computes.
        description: what /model answers.
        token: what requests must carry as `Authorization: Bearer TOKEN`, but for the page and /health; None: nothing.
        hosts: names by which it may be called; addresses always may.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = new_app(
        title=f"unfreeze serve: {description.name}",
        description=" ".join(description.about),
        hosts=hosts,
        token=token,
        open_paths=OPEN_PATHS | page_addresses(),
        lifespan=lifespan,
    )
    _add_reading(app, description, secured=token is not None)
    _add_doing(app, service, description, secured=token is not None)
    add_page(app)
    return app


def _add_reading(app: FastAPI, description: ModelAnswer, *, secured: bool) -> None:
    """Add the routes that only tell."""

    @app.get("/health", response_model=HealthAnswer, responses=error_answers(421), summary="Say that the service is up")
    async def health() -> Response:
        return _json(HealthAnswer(status="ok"))

    @app.get(
        "/model",
        response_model=ModelAnswer,
        responses=_errors((421,), secured=secured),
        dependencies=_dependencies(secured=secured),
        summary="Say what the network is, and how sure it can be",
    )
    async def model() -> Response:
        return _json(description)


def _add_doing(app: FastAPI, service: Service, description: ModelAnswer, *, secured: bool) -> None:
    """Add the routes that take pictures."""
    admission = Admission(service.limits)
    guarded = _dependencies(secured=secured)

    @app.post(
        "/predict",
        response_model=PredictAnswer,
        responses=_errors(REQUEST_ERRORS, secured=secured) | _none_readable(),
        openapi_extra=multipart_body("files", many=True),
        dependencies=guarded,
        summary="Predict one or many pictures",
    )
    async def predict(request: Request) -> Response:
        with admission.enter() as ticket:
            form = await read_form(request, service.limits, file_field="files", hold=ticket.hold)
            found = await service.predict(form.files)
        return _json(PredictAnswer(predictions=found), status=_status(found))

    @app.post(
        "/explain",
        response_class=Response,
        responses=_errors((*REQUEST_ERRORS, 501), secured=secured) | _picture(),
        openapi_extra=multipart_body("file", many=False, texts=["class"], choices={"class": description.classes}),
        dependencies=guarded,
        summary="Draw which places of a picture spoke for a class",
    )
    async def explain(request: Request) -> Response:
        with admission.enter() as ticket:
            form = await read_form(
                request, service.limits, file_field="file", text_fields=["class"], max_files=1, hold=ticket.hold
            )
            found = await service.explain(form.files[0], form.texts.get("class"))
        headers = {"X-Class": quote(found.name), "X-Heat": "none" if found.is_empty else "drawn"}
        return Response(found.png, headers=headers, media_type="image/png")


def _json(answer: BaseModel, *, status: int = HTTPStatus.OK) -> Response:
    content = answer.model_dump_json(by_alias=True, exclude_unset=True)
    return Response(content, status_code=status, media_type="application/json")


def _status(found: Sequence[PictureAnswer]) -> int:
    """Return 200 if one picture could be read; else 413 where all have too many pixels, and 422 otherwise."""
    codes = {picture.error.code if picture.error is not None else None for picture in found}
    if None in codes:
        return HTTPStatus.OK
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if codes == {"too_many_pixels"} else HTTPStatus.UNPROCESSABLE_ENTITY


def _errors(statuses: Sequence[int], *, secured: bool) -> dict[int | str, dict[str, Any]]:
    return error_answers(*statuses, *((401,) if secured else ()))


def _none_readable() -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes that 413 and 422 tell either of the request, or of each picture."""
    return {
        status: {
            "model": PredictAnswer | ErrorAnswer,
            "description": f"{why}, or no picture can be read: each says why.",
        }
        for status, why in TELLING_OF_EACH.items()
    }


def _picture() -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes the answer of /explain."""
    headers = {
        "X-Class": {"description": "The class that the map is for, percent-encoded.", **TEXT},
        "X-Heat": {"description": "drawn; or none, where no place spoke for the class.", **TEXT},
    }
    return {200: {"description": "The picture as the network sees it.", "content": PNG, "headers": headers}}


def _dependencies(*, secured: bool) -> list[Any]:
    """Return what tells OpenAPI of the token; that it is right is checked before any route (`Access`)."""
    return [Depends(HTTPBearer(auto_error=False))] if secured else []
