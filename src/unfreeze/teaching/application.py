"""The routes of `unfreeze teach`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from unfreeze.errors import DataError, NoSuchClassError, NoSuchPictureError, UnfreezeError
from unfreeze.serving import Limits
from unfreeze.serving.access import OPEN_PATHS
from unfreeze.serving.answers import HealthAnswer, PredictAnswer
from unfreeze.serving.foundation import (
    either_answer,
    error_answers,
    json_answer,
    multipart_body,
    new_app,
    none_readable,
    predictions_answer,
    token_told,
)
from unfreeze.serving.pages import PAGE, add_page, page_addresses
from unfreeze.serving.refusing import error_response
from unfreeze.teaching.answers import (
    AdditionsAnswer,
    ClassNameAnswer,
    DoneAnswer,
    PicturesAnswer,
    StateAnswer,
    additions_answer,
    pictures_answer,
    state_answer,
)
from unfreeze.teaching.lesson import Lesson, NothingLearnedError
from unfreeze.teaching.receiving import Receiver

__all__ = ["create_app"]

Found = TypeVar("Found")
OWN_PAGE = Path(__file__).parent / "page"
SHARED = ("client.js", "cards.js", "scale.js", "icon.svg", "page.css")  # with the page of `unfreeze serve`
CHANGE_ERRORS = (403, 409, 421, 422)
UPLOAD_ERRORS = (400, 403, 408, 413, 415, 421, 422, 503, 504)
JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
HTML = {"text/html": {"schema": {"type": "string"}}}
KEPT_SECONDS = 86_400  # that a browser may keep a thumbnail, whose address changes with its content

ClassName = Annotated[str, Query(min_length=1, max_length=400, description="A class.")]
FileName = Annotated[str, Query(min_length=1, max_length=4000, description="A picture, relative to the folder.")]


def create_app(
    lesson: Lesson, *, limits: Limits, token: str | None = None, hosts: Collection[str] = ("localhost",)
) -> FastAPI:
    """Return the application by which a lesson is taught; the lesson is started and closed with it.

    Args:
        lesson: not started yet.
        limits: of the service.
        token: what requests must carry as `Authorization: Bearer TOKEN`, but for the page and /health; None: nothing.
        hosts: names by which it may be called; addresses always may.
    """
    receiver = Receiver(lesson, limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        lesson.start()
        yield
        await receiver.finish()
        await run_in_threadpool(lesson.close)

    app = new_app(
        title="unfreeze teach",
        description="Pictures are added to classes, and a head on a frozen network is fitted anew after every change.",
        hosts=hosts,
        token=token,
        open_paths=OPEN_PATHS | page_addresses(OWN_PAGE) | {f"/{name}" for name in SHARED},
        lifespan=lifespan,
    )
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(NothingLearnedError, _answering(HTTPStatus.CONFLICT, "nothing_learned"))
    app.add_exception_handler(NoSuchClassError, _answering(HTTPStatus.NOT_FOUND, "no_such_class"))
    app.add_exception_handler(NoSuchPictureError, _answering(HTTPStatus.NOT_FOUND, "no_such_picture"))
    app.add_exception_handler(UnfreezeError, _answering(HTTPStatus.UNPROCESSABLE_ENTITY, "not_possible"))
    routes = _Routes(app, secured=token is not None)
    _add_looking(routes, lesson, limits)
    _add_changing(routes, lesson)
    _add_uploading(routes, receiver)
    add_page(app, OWN_PAGE, shared=[PAGE / name for name in SHARED])
    return app


class _Routes:
    """Adds routes that all ask for the token, if there is one, and tell OpenAPI of their errors."""

    def __init__(self, app: FastAPI, *, secured: bool) -> None:
        self.app = app
        self._secured = secured

    def add(
        self, method: str, path: str, summary: str, *, errors: Sequence[int], answer: type[BaseModel] | None = None,
        more: dict[int | str, dict[str, Any]] | None = None, body: dict[str, Any] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # fmt: skip
        """Return a decorator that makes a function the answer to a method at a path."""
        return self.app.api_route(
            path,
            methods=[method],
            summary=summary,
            response_model=answer,
            response_class=Response if answer is None else JSONResponse,
            responses=error_answers(*errors, secured=self._secured) | (more or {}),
            openapi_extra=body,
            dependencies=token_told(secured=self._secured),
        )


def _add_looking(routes: _Routes, lesson: Lesson, limits: Limits) -> None:
    """Add the routes that only tell."""

    @routes.app.get("/health", response_model=HealthAnswer, responses=error_answers(421), summary="Say that it is up")
    async def health() -> Response:
        return json_answer(HealthAnswer(status="ok"))

    @routes.add("GET", "/teach/state", "Say what there is to be seen", errors=(421,), answer=StateAnswer)
    def state() -> Response:
        return json_answer(state_answer(lesson, lesson.state(), limits))

    @routes.add("GET", "/teach/pictures", "List the pictures of a class", errors=(404, 421, 422), answer=PicturesAnswer)
    def pictures(name: ClassName) -> Response:
        return json_answer(pictures_answer(lesson.album.newest_first(name)))

    @routes.add(
        "GET", "/teach/report", "Give the report of the run that was saved", errors=(409, 421),
        more={200: _content("One HTML file, to be kept.", HTML)},
    )  # fmt: skip
    def report() -> Response:
        saving = lesson.state().saving
        if saving is None or saving.run is None:
            raise NothingLearnedError("No run has been saved yet.")
        try:
            content = (saving.run / "report.html").read_bytes()
        except OSError as error:
            raise DataError(f'The report in "{saving.run}" cannot be read: {error.strerror}.') from None
        headers = {"Content-Disposition": 'attachment; filename="report.html"'}
        return Response(content, media_type="text/html", headers=headers)


def _add_changing(routes: _Routes, lesson: Lesson) -> None:
    """Add the routes that change classes, take pictures out, or begin something."""

    def done(change: Callable[[], Found]) -> Found:
        found = change()
        lesson.changed()
        return found

    @routes.add("POST", "/teach/classes", "Add a class", errors=CHANGE_ERRORS, answer=ClassNameAnswer)
    def add_class(name: ClassName) -> Response:
        return json_answer(ClassNameAnswer(name=done(lambda: lesson.album.add_class(name))))

    @routes.add("PATCH", "/teach/classes", "Rename a class", errors=(*CHANGE_ERRORS, 404), answer=ClassNameAnswer)
    def rename_class(name: ClassName, to: ClassName) -> Response:
        return json_answer(ClassNameAnswer(name=done(lambda: lesson.album.rename_class(name, to))))

    @routes.add("DELETE", "/teach/classes", "Take a class out", errors=(*CHANGE_ERRORS, 404), answer=DoneAnswer)
    def remove_class(name: ClassName) -> Response:
        done(lambda: lesson.album.remove_class(name))
        return json_answer(DoneAnswer(status="ok"))

    @routes.add("DELETE", "/teach/pictures", "Take a picture out", errors=(*CHANGE_ERRORS, 404), answer=DoneAnswer)
    def remove_picture(file: FileName) -> Response:
        done(lambda: lesson.album.remove(file))
        return json_answer(DoneAnswer(status="ok"))

    @routes.add("POST", "/teach/rescan", "Read the folder anew", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def rescan() -> Response:
        lesson.rescan()
        return json_answer(DoneAnswer(status="ok"))

    @routes.add("POST", "/teach/save", "Save what was taught as a run", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def save() -> Response:
        lesson.save()
        return json_answer(DoneAnswer(status="ok"))


def _add_uploading(routes: _Routes, receiver: Receiver) -> None:
    """Add the routes that take pictures, or show one."""

    @routes.add(
        "GET", "/teach/thumbnail", "Show a picture, small", errors=(404, 421, 422, 503, 504),
        more={200: _content("A JPEG.", JPEG)},
    )  # fmt: skip
    async def thumbnail(file: FileName) -> Response:
        headers = {"Cache-Control": f"private, max-age={KEPT_SECONDS}"}
        return Response(await receiver.thumbnail(file), media_type="image/jpeg", headers=headers)

    @routes.add(
        "POST", "/teach/pictures", "Add pictures to a class", errors=(*UPLOAD_ERRORS, 404), answer=AdditionsAnswer,
        body=multipart_body("files", many=True, texts=["recording"]),
        more={422: either_answer(AdditionsAnswer, "No picture was added: each says why.")},
    )  # fmt: skip
    async def add(request: Request, name: ClassName) -> Response:
        found = await receiver.add(request, name)
        is_there = any(each.outcome != "refused" for each in found)
        status = HTTPStatus.OK if is_there else HTTPStatus.UNPROCESSABLE_ENTITY
        return json_answer(additions_answer(found), status=status)

    @routes.add(
        "POST", "/teach/predict", "Try pictures", errors=(*UPLOAD_ERRORS, 409), answer=PredictAnswer,
        body=multipart_body("files", many=True), more=none_readable(),
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        return predictions_answer(await receiver.predict(request))


def _content(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _answering(status: int, code: str) -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        return error_response(status, code, str(error))

    return answer


def _malformed(_request: Request, error: Exception) -> Response:
    """Answer a request whose parameters are missing, or not what they should be."""
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return error_response(
        HTTPStatus.UNPROCESSABLE_ENTITY, "wrong_parameters", f"What was sent does not fit: {problems}."
    )
