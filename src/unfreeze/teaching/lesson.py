"""A lesson: a folder of pictures that grows, and a head that is fitted anew after every change of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec
import torch

from unfreeze.cache import FingerprintIndex, cache_directory
from unfreeze.cache.hashes import INDEX_NAME
from unfreeze.data import decode_views, depth_range, near_duplicates
from unfreeze.errors import ConfigError, ImageError, reason_of
from unfreeze.evaluation import Prediction
from unfreeze.records import TrainOptions
from unfreeze.teaching.album import Album
from unfreeze.teaching.features import FrozenFeatures
from unfreeze.teaching.fitting import Judgement, cross_validate, fit_head
from unfreeze.teaching.folder import ClassFolders
from unfreeze.teaching.names import RECORDINGS, is_recorded
from unfreeze.teaching.needs import learnable, what_is_missing
from unfreeze.teaching.saving import Saving, save_run
from unfreeze.teaching.snapshot import dataset_of
from unfreeze.teaching.state import State, Taught, Work
from unfreeze.training.settings import settled

__all__ = ["Lesson", "NothingLearnedError"]

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.05  # without a change, before a head is fitted: pictures that come together are learned together
LONGEST_WAIT = 0.5  # seconds, however many come


class NothingLearnedError(ConfigError):
    """There is no head yet: pictures are missing, or are still being computed."""


class _ChangedError(Exception):
    """What is being computed is of pictures that have changed since."""


class Lesson:
    """Pictures in class folders, a frozen network, and the head that a thread of its own fits after every change.

    Pictures are added to its `album`, and `changed` says so. All methods may be called from any thread, and return at
    once but for `predict`, which computes, and `close`. Use it as a context, or call `start` and `close`.

    Args:
        folder: of class folders; made if it does not exist.
        options: of a training: `model`, `size`, `weights`, `engine`, `device`, `cache`, `cache_dir`, `seed`.
        given: the names of those that the user gave.

    Raises:
        UnfreezeError: the folder cannot be one, or settings are wrong.
    """

    def __init__(
        self, folder: str | Path, options: TrainOptions | None = None, *, given: frozenset[str] = frozenset()
    ) -> None:
        asked = msgspec.structs.replace(
            options or TrainOptions(), strategy="head", solver="lbfgs", skip_unreadable=True
        )
        self.options = settled(asked, given)
        self._given = {name: getattr(asked, name) for name in given} | {
            "strategy": "head", "solver": "lbfgs", "skip_unreadable": True,
        }  # fmt: skip
        index = FingerprintIndex(cache_directory(asked.cache_dir) / INDEX_NAME) if asked.cache else None
        self.album = Album(ClassFolders(Path(folder)), index)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._rescan = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._work_on, name="unfreeze-teach", daemon=True)
        self._features: FrozenFeatures | None = None
        self._work = Work("loading")
        self._taught: Taught | None = None
        self._saving: Saving | None = None
        self._out: Path | None = None
        self._failure: str | None = None
        self._failed_at: int | None = None

    def start(self) -> None:
        """Begin to read the folder, to load the network, and to learn."""
        self._rescan.set()
        self._wake.set()
        self._thread.start()

    def close(self) -> None:
        """End what is under way, a run that is being saved excepted, which is waited for."""
        self._is_closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._features is not None:
            self._features.keep()
        self.album.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def changed(self) -> None:
        """Say that the album has changed: the head is fitted anew in a moment."""
        self._wake.set()

    def rescan(self) -> None:
        """Let the folder be read anew, where files were changed by others."""
        self._rescan.set()
        self._wake.set()

    def state(self) -> State:
        """Return what there is to be seen now."""
        snapshot = self.album.snapshot()
        with self._lock:
            return State(
                snapshot=snapshot,
                work=self._work,
                taught=self._taught,
                missing=what_is_missing(snapshot.counts) if self._work.doing != "loading" or snapshot.classes else (),
                failure=self._failure,
                notes=() if self._features is None else tuple(self._features.notes),
                saving=self._saving,
            )

    def predict(self, pictures: Sequence[tuple[str, bytes]]) -> list[Prediction]:
        """Say what the present head takes pictures for; one that cannot be read has its `error` set.

        Args:
            pictures: what each is called, and the bytes of its file.

        Raises:
            NothingLearnedError: there is no head yet.
        """
        taught, features = self._taught, self._features
        if taught is None or features is None:
            raise NothingLearnedError("Nothing has been learned yet. " + " ".join(self.state().missing))
        spec = replace(features.spec, depth_range=taught.depth_range)
        found = []
        for name, payload in pictures:
            try:
                view = decode_views(payload, spec, name=name)[0]
            except ImageError as error:
                found.append(Prediction(file=name, error=str(error)))
                continue
            scores = taught.head.probabilities(features.of_view(view)[None])[0].tolist()
            by_class = dict(zip(taught.head.classes, scores, strict=True))
            found.append(
                Prediction(file=name, prediction=max(by_class, key=lambda each: by_class[each]), scores=by_class)
            )
        return found

    def save(self, out: Path | None = None) -> None:
        """Ask for a run to be trained from the folder as it is when what is under way is finished.

        Args:
            out: the run directory; None: the next free one below runs/.

        Raises:
            NothingLearnedError: there are no two classes with pictures enough, or some class has too few.
            ConfigError: a run is being saved already.
        """
        counts = self.album.snapshot().counts
        short = what_is_missing({n: k for n, k in counts.items() if k})
        if not learnable(counts) or short:
            raise NothingLearnedError("There is nothing to save yet. " + " ".join(short or what_is_missing(counts)))
        with self._lock:
            if self._saving is not None and self._saving.status in {"waiting", "running"}:
                raise ConfigError("A run is being saved already; wait for it.")
            self._saving, self._out = Saving(status="waiting"), out
        self._wake.set()

    def _work_on(self) -> None:
        """Do what there is to do, until the lesson is closed."""
        while not self._is_closing:
            self._wake.wait()
            self._settle()
            try:
                self._do()
            except _ChangedError:
                self._wake.set()
            except Exception as error:
                logger.exception("A lesson could not go on")
                self._fail(reason_of(error))
            self._set(Work("resting"))

    def _settle(self) -> None:
        """Wait until no change has come for a moment."""
        latest = time.monotonic() + LONGEST_WAIT
        while self._wake.is_set() and time.monotonic() < latest and not self._is_closing:
            self._wake.clear()
            self._wake.wait(QUIET_SECONDS)
        self._wake.clear()

    def _do(self) -> None:
        if self._rescan.is_set():
            self._rescan.clear()
            self._failed_at = None  # whoever asks for it wants what failed tried again
            self._set(Work("reading"))
            self.album.refresh(lambda n, total: self._set(Work("reading", n, total)))
            self._fail(None)  # what was wrong with the folder is mended
        if self._features is None and not self._is_closing:
            self._set(Work("loading"))
            self._features = FrozenFeatures(self.options)
        if self._saving is not None and self._saving.status == "waiting" and not self._is_closing:
            self._save()
        if not self._is_closing:
            self._teach()

    def _teach(self) -> None:
        """Fit a head to the pictures as they are now, and judge it."""
        snapshot = self.album.snapshot()
        if (
            self._taught is not None and self._taught.version == snapshot.version
        ) or self._failed_at == snapshot.version:
            return
        classes = learnable(snapshot.counts)
        if not classes:
            self._set_taught(None)
            return
        assert self._features is not None, "it was loaded before"
        dataset = dataset_of(self.album.folders, snapshot, classes)
        fingerprints = [snapshot.fingerprints[file] for file in dataset.files]
        deepest = depth_range(fingerprints)
        self._failed_at = snapshot.version  # until it has not
        try:
            vectors = self._features.vectors(dataset, fingerprints, depth_range=deepest, computed=self._computed)
        except ImageError:
            # Renamed or removed here meanwhile, or changed or taken away by others.
            if self.album.version != snapshot.version or self.album.refresh():
                raise _ChangedError from None
            raise
        began = time.monotonic()
        self._set(Work("fitting"))
        taught = Taught(
            version=snapshot.version, head=fit_head(vectors, dataset), files=dataset.files, depth_range=deepest,
            judgement=None, seconds=time.monotonic() - began,
        )  # fmt: skip
        self._set_taught(taught)
        self._set(Work("judging"))
        judgement = self._judged(vectors, dataset, near_duplicates(fingerprints), snapshot.version)
        if not isinstance(judgement, str):
            taught = replace(taught, head=fit_head(vectors, dataset, l2=judgement.l2))
        self._set_taught(replace(taught, judgement=judgement, seconds=time.monotonic() - began))
        self._failed_at = None

    def _computed(self, n: int, total: int) -> None:
        if self._is_closing:
            raise _ChangedError
        self._set(Work("computing", n, total))

    def _judged(self, vectors: torch.Tensor, dataset: Any, clusters: Any, version: int) -> Judgement | str:
        def check() -> None:
            if self.album.version != version or self._is_closing:
                raise _ChangedError

        return cross_validate(vectors, dataset, clusters, check=check)

    def _save(self) -> None:
        assert self._features is not None, "it was loaded before"
        self._set(Work("saving"))
        self._features.keep()
        options = dict(self._given)
        with self.album.held():
            if any(map(is_recorded, self.album.snapshot().fingerprints)):
                options["group"] = RECORDINGS
            ended = save_run(self.album.folders.root, options, out=self._out, tell=self._set_saving)
        self._set_saving(ended)

    def _set(self, work: Work) -> None:
        with self._lock:
            self._work = work

    def _set_taught(self, taught: Taught | None) -> None:
        with self._lock:
            self._taught, self._failure = taught, None

    def _set_saving(self, saving: Saving) -> None:
        with self._lock:
            self._saving = saving

    def _fail(self, reason: str | None) -> None:
        with self._lock:
            self._failure = reason
