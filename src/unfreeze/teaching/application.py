"""The routes of `unfreeze teach`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from unfreeze.errors import DataError, UnfreezeError
from unfreeze.serving import Limits, Refusal
from unfreeze.serving.access import OPEN_PATHS
from unfreeze.serving.admitting import Admission
from unfreeze.serving.answers import (
    ErrorAnswer,
    HealthAnswer,
    PictureAnswer,
    PredictAnswer,
    picture_answer,
    refused_picture,
)
from unfreeze.serving.foundation import error_answers, multipart_body, new_app
from unfreeze.serving.guarding import check_upload
from unfreeze.serving.pages import PAGE, add_page, page_addresses
from unfreeze.serving.refusing import error_response
from unfreeze.serving.uploads import Upload, read_form
from unfreeze.teaching.album import Added
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
from unfreeze.teaching.thumbnails import make_thumbnail

__all__ = ["create_app"]

Found = TypeVar("Found")
OWN_PAGE = Path(__file__).parent / "page"
SHARED = ("client.js", "cards.js", "scale.js", "icon.svg", "page.css")  # with the page of `unfreeze serve`
CHANGE_ERRORS = (403, 409, 421, 422)
UPLOAD_ERRORS = (400, 403, 408, 409, 413, 415, 421, 422, 503)
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

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        lesson.start()
        yield
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
    app.add_exception_handler(UnfreezeError, _answering(HTTPStatus.UNPROCESSABLE_ENTITY, "not_possible"))
    routes = _Routes(app, secured=token is not None)
    _add_looking(routes, lesson, limits)
    _add_changing(routes, lesson)
    _add_uploading(routes, lesson, limits)
    add_page(app, OWN_PAGE, shared=[PAGE / name for name in SHARED])
    return app


class _Routes:
    """Adds routes that all ask for the token, if there is one, and tell OpenAPI of their errors."""

    def __init__(self, app: FastAPI, *, secured: bool) -> None:
        self.app = app
        self._dependencies = [Depends(HTTPBearer(auto_error=False))] if secured else []
        self._always = (401,) if secured else ()

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
            responses=error_answers(*errors, *self._always) | (more or {}),
            openapi_extra=body,
            dependencies=self._dependencies,
        )


def _add_looking(routes: _Routes, lesson: Lesson, limits: Limits) -> None:
    """Add the routes that only tell."""

    @routes.app.get("/health", response_model=HealthAnswer, responses=error_answers(421), summary="Say that it is up")
    async def health() -> Response:
        return _json(HealthAnswer(status="ok"))

    @routes.add("GET", "/teach/state", "Say what there is to be seen", errors=(421,), answer=StateAnswer)
    def state() -> Response:
        return _json(state_answer(lesson, lesson.state(), limits))

    @routes.add("GET", "/teach/pictures", "List the pictures of a class", errors=(421, 422), answer=PicturesAnswer)
    def pictures(name: ClassName) -> Response:
        return _json(pictures_answer(lesson.album.newest_first(name)))

    @routes.add(
        "GET", "/teach/thumbnail", "Show a picture, small", errors=(421, 422), more={200: _content("A JPEG.", JPEG)}
    )
    def thumbnail(file: FileName) -> Response:
        content = make_thumbnail(lesson.album.payload(file), name=file)
        headers = {"Cache-Control": f"private, max-age={KEPT_SECONDS}"}
        return Response(content, media_type="image/jpeg", headers=headers)

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
        return _json(ClassNameAnswer(name=done(lambda: lesson.album.add_class(name))))

    @routes.add("PATCH", "/teach/classes", "Rename a class", errors=CHANGE_ERRORS, answer=ClassNameAnswer)
    def rename_class(name: ClassName, to: ClassName) -> Response:
        return _json(ClassNameAnswer(name=done(lambda: lesson.album.rename_class(name, to))))

    @routes.add("DELETE", "/teach/classes", "Take a class out", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def remove_class(name: ClassName) -> Response:
        done(lambda: lesson.album.remove_class(name))
        return _json(DoneAnswer(status="ok"))

    @routes.add("DELETE", "/teach/pictures", "Take a picture out", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def remove_picture(file: FileName) -> Response:
        done(lambda: lesson.album.remove(file))
        return _json(DoneAnswer(status="ok"))

    @routes.add("POST", "/teach/rescan", "Read the folder anew", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def rescan() -> Response:
        lesson.rescan()
        return _json(DoneAnswer(status="ok"))

    @routes.add("POST", "/teach/save", "Save what was taught as a run", errors=CHANGE_ERRORS, answer=DoneAnswer)
    def save() -> Response:
        lesson.save()
        return _json(DoneAnswer(status="ok"))


def _add_uploading(routes: _Routes, lesson: Lesson, limits: Limits) -> None:
    """Add the routes that take pictures."""
    admission = Admission(limits)

    @routes.add(
        "POST", "/teach/pictures", "Add pictures to a class", errors=UPLOAD_ERRORS, answer=AdditionsAnswer,
        body=multipart_body("files", many=True, texts=["recording"]),
        more={422: _either(AdditionsAnswer, "There is no such class, or no picture was added: each says why.")},
    )  # fmt: skip
    async def add(request: Request, name: ClassName) -> Response:
        with admission.enter() as ticket:
            form = await read_form(request, limits, file_field="files", text_fields=["recording"], hold=ticket.hold)
            found = await run_in_threadpool(_added, lesson, name, form.files, form.texts.get("recording"), limits)
        lesson.changed()
        is_there = any(each.outcome != "refused" for each in found)
        return _json(additions_answer(found), status=HTTPStatus.OK if is_there else HTTPStatus.UNPROCESSABLE_ENTITY)

    @routes.add(
        "POST", "/teach/predict", "Try pictures", errors=UPLOAD_ERRORS, answer=PredictAnswer,
        body=multipart_body("files", many=True),
        more={422: _either(PredictAnswer, "A field is unknown, or no picture can be read: each says why.")},
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        with admission.enter() as ticket:
            form = await read_form(request, limits, file_field="files", hold=ticket.hold)
            found = await run_in_threadpool(_predicted, lesson, form.files, limits)
        is_read = any(each.error is None for each in found)
        return _json(
            PredictAnswer(predictions=found), status=HTTPStatus.OK if is_read else HTTPStatus.UNPROCESSABLE_ENTITY
        )


def _added(lesson: Lesson, name: str, files: Sequence[Upload], recording: str | None, limits: Limits) -> list[Added]:
    """Add what passes the guard, in the order of the files; what does not is refused."""
    refused: dict[int, Added] = {}
    for number, upload in enumerate(files):
        try:
            check_upload(upload, max_pixels=limits.max_pixels)
        except Refusal as refusal:
            refused[number] = Added(name=upload.name, outcome="refused", reason=refusal.message)
    passed = [(each.name, each.payload) for number, each in enumerate(files) if number not in refused]
    added = iter(lesson.album.add(name, passed, recording=recording or None) if passed else ())
    return [refused[number] if number in refused else next(added) for number in range(len(files))]


def _predicted(lesson: Lesson, files: Sequence[Upload], limits: Limits) -> list[PictureAnswer]:
    found = []
    for upload in files:
        try:
            check_upload(upload, max_pixels=limits.max_pixels)
        except Refusal as refusal:
            found.append(refused_picture(upload.name, code=refusal.code, message=refusal.message))
            continue
        (prediction,) = lesson.predict([(upload.name, upload.payload)])
        if prediction.error is not None:
            found.append(refused_picture(upload.name, code="unreadable", message=prediction.error))
        else:
            found.append(picture_answer(upload.name, prediction))
    return found


def _json(answer: BaseModel, *, status: int = HTTPStatus.OK) -> Response:
    content = answer.model_dump_json(by_alias=True)
    return Response(content, status_code=status, media_type="application/json")


def _content(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _either(answer: type[BaseModel], description: str) -> dict[str, Any]:
    """Return how OpenAPI describes a status that tells either of the request, or of each picture."""
    return {"model": answer | ErrorAnswer, "description": description}


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
