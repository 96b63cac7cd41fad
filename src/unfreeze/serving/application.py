"""The routes of `unfreeze serve`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from unfreeze.serving.access import OPEN_PATHS
from unfreeze.serving.admitting import Admission
from unfreeze.serving.answers import HealthAnswer, ModelAnswer, PredictAnswer
from unfreeze.serving.foundation import (
    error_answers,
    json_answer,
    multipart_body,
    new_app,
    none_readable,
    predictions_answer,
    token_told,
)
from unfreeze.serving.pages import add_page, page_addresses
from unfreeze.serving.service import Service
from unfreeze.serving.uploads import read_form

__all__ = ["create_app"]

REQUEST_ERRORS = (400, 403, 408, 413, 415, 421, 422, 503, 504)
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
        return json_answer(HealthAnswer(status="ok"))

    @app.get(
        "/model",
        response_model=ModelAnswer,
        responses=error_answers(421, secured=secured),
        dependencies=token_told(secured=secured),
        summary="Say what the network is, and how sure it can be",
    )
    async def model() -> Response:
        return json_answer(description)


def _add_doing(app: FastAPI, service: Service, description: ModelAnswer, *, secured: bool) -> None:
    """Add the routes that take pictures."""
    admission = Admission(service.limits)
    guarded = token_told(secured=secured)

    @app.post(
        "/predict",
        response_model=PredictAnswer,
        responses=error_answers(*REQUEST_ERRORS, secured=secured) | none_readable(),
        openapi_extra=multipart_body("files", many=True),
        dependencies=guarded,
        summary="Predict one or many pictures",
    )
    async def predict(request: Request) -> Response:
        with admission.enter() as ticket:
            form = await read_form(request, service.limits, file_field="files", hold=ticket.hold)
            found = await service.predict(form.files)
        return predictions_answer(found)

    @app.post(
        "/explain",
        response_class=Response,
        responses=error_answers(*REQUEST_ERRORS, 501, secured=secured) | _picture(),
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


def _picture() -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes the answer of /explain."""
    headers = {
        "X-Class": {"description": "The class that the map is for, percent-encoded.", **TEXT},
        "X-Heat": {"description": "drawn; or none, where no place spoke for the class.", **TEXT},
    }
    return {200: {"description": "The picture as the network sees it.", "content": PNG, "headers": headers}}
