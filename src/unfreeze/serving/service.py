"""From uploaded files to answers: guarded, decoded on all cores, computed together, each by its own deadline."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from unfreeze.data.threads import computing_alone, n_usable_cores
from unfreeze.errors import ImageError, did_you_mean
from unfreeze.evaluation.drawing import draw_heat_map
from unfreeze.serving.answers import PictureAnswer, picture_answer, refused_picture
from unfreeze.serving.batching import Batcher
from unfreeze.serving.deadline import by_deadline
from unfreeze.serving.guarding import check_upload, unreadable
from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from torch import Tensor

    from unfreeze.evaluation import Prediction
    from unfreeze.evaluation.attribution import HeatMaps
    from unfreeze.records import ModelRecord, RunRecord
    from unfreeze.serving.limits import Limits
    from unfreeze.serving.uploads import Upload

__all__ = ["Explanation", "Model", "Service"]

MAX_BATCH = 16  # pictures, where one thread computes: what comes later waits for all of them
WAIT_SECONDS = 0.004
Value = TypeVar("Value")


class Model(Protocol):
    """A network, ready, as a `Predictor` is.

    `prepare` is called by several threads at once, `predict` by as many as it says, `explain` by one.
    """

    @property
    def record(self) -> RunRecord:
        """The run's."""

    @property
    def model_record(self) -> ModelRecord:
        """The network's."""

    @property
    def n_threads(self) -> int:
        """How many threads may `predict` at once, also while one explains, and are faster than one."""

    def prepare(self, data: bytes, *, name: str) -> Tensor:
        """Return a picture as the network is given it, uint8 (3, height, width); raise ImageError."""

    def predict(self, pictures: Sequence[Tensor]) -> list[Prediction]:
        """Return what the network says of each picture."""

    def explain(self, pictures: Sequence[Tensor], outputs: Sequence[int]) -> HeatMaps:
        """Return a heat map of each picture for one output of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A picture as the network sees it with its heat map on it: a PNG, and the class that it is for."""

    png: bytes
    name: str
    is_empty: bool  # no place spoke for it: the picture alone


class Service:
    """What the routes call; opened and closed with the application.

    Args:
        model: the network.
        limits: of pixels and seconds.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        alone = model.n_threads == 1  # else each takes the next picture: none waits for another's end
        self._batcher: Batcher[Tensor, Prediction] = Batcher(
            model.predict,
            max_items=MAX_BATCH if alone else 1,
            wait_seconds=WAIT_SECONDS,
            n_threads=model.n_threads,
            initializer=None if alone else computing_alone(),
        )
        self._explaining = threading.Lock()
        self._pool = ThreadPoolExecutor(
            n_usable_cores(), thread_name_prefix="unfreeze-serve", initializer=computing_alone()
        )

    def close(self) -> None:
        """Finish what is under way, then end all threads."""
        self._pool.shutdown(cancel_futures=True)
        self._batcher.close()

    async def predict(self, uploads: Sequence[Upload]) -> list[PictureAnswer]:
        """Predict uploaded pictures; one that cannot be read has its reason in its answer.

        Raises:
            Refusal: 504, it took too long.
        """
        futures = [self._submit(upload) for upload in uploads]
        found = await by_deadline(
            asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True), self.limits.answer_seconds
        )
        return [_answer(upload, each) for upload, each in zip(uploads, found, strict=True)]

    async def explain(self, upload: Upload, name: str | None) -> Explanation:
        """Draw which places of an uploaded picture spoke for a class.

        Args:
            upload: the picture.
            name: the class, label or target; None: what the network says, of several labels the surest.

        Raises:
            Refusal: 422 it cannot be read, or there is no such class; 501 heat maps cannot be drawn; 504 too slow.
        """
        record = self.model.model_record
        if name is not None and name not in record.outputs:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "unknown_class",
                f'There is no class "{name[:200]}".{did_you_mean(name[:200], record.outputs)} /model lists them.',
            )

        def drawn(view: Tensor) -> Explanation:
            asked = name if name is not None else _surest(self.model.predict([view])[0])
            with self._explaining:
                heat = self.model.explain([view], [record.outputs.index(asked)])
            if heat.note is not None:
                raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "no_heat_maps", heat.note)
            content = io.BytesIO()
            seen = view.numpy() if heat.maps[0] is None else _grey(view)
            draw_heat_map(seen, heat.maps[0]).save(content, "PNG")
            return Explanation(png=content.getvalue(), name=asked, is_empty=heat.maps[0] is None)

        async def decoded_and_drawn() -> Explanation:
            view = await asyncio.wrap_future(self._pool.submit(self._view, upload))
            return await asyncio.wrap_future(self._batcher.call(lambda: drawn(view)))

        return await by_deadline(decoded_and_drawn(), self.limits.answer_seconds)

    def _submit(self, upload: Upload) -> Future[Prediction]:
        """Let a picture be decoded and computed; the future is done when both are."""
        answer: Future[Prediction] = Future()
        self._batcher.announce(1)
        self._pool.submit(self._prepare, upload, answer)
        return answer

    def _prepare(self, upload: Upload, answer: Future[Prediction]) -> None:
        if answer.cancelled():
            self._batcher.withdraw()
            return
        try:
            view = self._view(upload)
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must learn of it
            self._batcher.withdraw()
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
        else:
            self._batcher.submit(view, answer)

    def _view(self, upload: Upload) -> Tensor:
        check_upload(upload, max_pixels=self.limits.max_pixels)
        try:
            return self.model.prepare(upload.payload, name=upload.name)
        except ImageError as error:
            raise unreadable(error) from None


def _answer(upload: Upload, found: Prediction | BaseException) -> PictureAnswer:
    if isinstance(found, Refusal):
        return refused_picture(upload.name, code=found.code, message=found.message)
    if isinstance(found, BaseException):
        raise found
    return picture_answer(upload.name, found)


def _grey(view: Tensor) -> np.ndarray:
    """Return a view without its colours, on which those of a heat map stand out."""
    return np.broadcast_to(view.numpy().mean(axis=0).astype(np.uint8), tuple(view.shape))


def _surest(prediction: Prediction) -> str:
    """Return what a heat map is drawn for where nobody says: the class decided for, else the highest score."""
    if isinstance(prediction.prediction, str):
        return prediction.prediction
    return max(prediction.scores, key=lambda name: prediction.scores[name])
