"""From uploaded pictures to what became of them: decoded by the lesson's own threads, each request by its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from unfreeze.data import Fingerprint, fingerprint_bytes
from unfreeze.serving import Limits, Refusal
from unfreeze.serving.admitting import Admission
from unfreeze.serving.answers import PictureAnswer, picture_answer, refused_picture
from unfreeze.serving.deadline import by_deadline
from unfreeze.serving.guarding import check_upload
from unfreeze.serving.uploads import Upload, read_form
from unfreeze.teaching.thumbnails import make_thumbnail

if TYPE_CHECKING:
    from starlette.requests import Request

    from unfreeze.teaching.adding import Added
    from unfreeze.teaching.lesson import Lesson

__all__ = ["Receiver"]

Value = TypeVar("Value")
Given = TypeVarTuple("Given")
STILL_ADDED = "These pictures are still being added: look at the class in a moment before you send them again."


class Receiver:
    """What the routes call that take pictures, or show one; for the event loop's thread.

    All that decodes or computes is done one picture at a time by `Album.decoding`, which has as many threads as there
    are cores, and no request waits in a thread for another.

    Args:
        lesson: that is taught.
        limits: of the service.
    """

    def __init__(self, lesson: Lesson, limits: Limits) -> None:
        self._lesson = lesson
        self._limits = limits
        self._admission = Admission(limits)
        self._additions: set[asyncio.Task[Sequence[Added]]] = set()

    async def add(self, request: Request, class_name: str) -> Sequence[Added]:
        """Add the pictures of a form to a class, in their order; what does not pass the guard is refused.

        Raises:
            NoSuchClassError: there is no such class.
            Refusal: it is not taken in; or 504, it took too long: what was begun is finished all the same.
        """
        with ExitStack() as held:
            ticket = held.enter_context(self._admission.enter())
            form = await read_form(
                request, self._limits, file_field="files", text_fields=["recording"], hold=ticket.hold
            )
            work = asyncio.create_task(self._add(class_name, form.files, form.texts.get("recording") or None))
            self._additions.add(work)
            kept = held.pop_all()  # also after the deadline, as long as the pictures are in memory
        work.add_done_callback(self._additions.discard)
        work.add_done_callback(lambda _: kept.close())
        return await by_deadline(asyncio.shield(work), self._limits.answer_seconds, advice=STILL_ADDED)

    async def predict(self, request: Request) -> Sequence[PictureAnswer]:
        """Say what the present head takes the pictures of a form for, in their order.

        Raises:
            NothingLearnedError: there is no head yet.
            Refusal: it is not taken in; or 504, it took too long.
        """
        with self._admission.enter() as ticket:
            form = await read_form(request, self._limits, file_field="files", hold=ticket.hold)
            work = asyncio.gather(*(self._in_turn(self._predicted, each) for each in form.files))
            return await by_deadline(work, self._limits.answer_seconds)

    async def thumbnail(self, file: str) -> bytes:
        """Return a picture of the album as a small JPEG.

        Raises:
            NoSuchPictureError: there is no such picture.
            ImageError: it cannot be read.
            Refusal: 503 or 504, there is too much to do.
        """
        with self._admission.enter():
            return await by_deadline(self._in_turn(self._thumbnail, file), self._limits.answer_seconds)

    async def finish(self) -> None:
        """Wait until all pictures that are being added are."""
        await asyncio.gather(*self._additions, return_exceptions=True)

    def _in_turn(self, work: Callable[[*Given], Value], *given: *Given) -> asyncio.Future[Value]:
        """Let work be done as soon as one of the lesson's threads is free."""
        return asyncio.wrap_future(self._lesson.album.decoding.submit(work, *given))

    async def _add(self, class_name: str, files: Sequence[Upload], recording: str | None) -> Sequence[Added]:
        album = self._lesson.album
        await self._in_turn(album.check_addition, class_name, recording)
        looked_at = await asyncio.gather(*(self._in_turn(self._looked_at, each) for each in files))
        pictures = [(upload.payload, picture) for upload, picture in zip(files, looked_at, strict=True)]
        found = await self._in_turn(lambda: album.take(class_name, pictures, recording=recording))
        self._lesson.changed()
        return found

    def _looked_at(self, upload: Upload) -> Fingerprint:
        try:
            check_upload(upload, max_pixels=self._limits.max_pixels)
        except Refusal as refusal:
            return Fingerprint(upload.name, "", error=refusal.message)
        return fingerprint_bytes(upload.payload, name=upload.name)

    def _predicted(self, upload: Upload) -> PictureAnswer:
        try:
            check_upload(upload, max_pixels=self._limits.max_pixels)
        except Refusal as refusal:
            return refused_picture(upload.name, code=refusal.code, message=refusal.message)
        (prediction,) = self._lesson.predict([(upload.name, upload.payload)])
        if prediction.error is not None:
            return refused_picture(upload.name, code="unreadable", message=prediction.error)
        return picture_answer(upload.name, prediction)

    def _thumbnail(self, file: str) -> bytes:
        album = self._lesson.album
        return make_thumbnail(album.payload(file), name=file, depth_range=album.depth_range())
