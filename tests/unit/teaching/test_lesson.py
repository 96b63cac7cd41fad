"""A lesson from an empty folder to a run: what is learned, when, and what is left on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import unfreeze as uf
from unfreeze.errors import ConfigError
from unfreeze.records import TrainOptions
from unfreeze.teaching import Judgement, Lesson, NothingLearnedError, State

SECONDS = 60


def settled(lesson: Lesson) -> State:
    """Wait until everything is learned that can be, and return the state."""
    latest = time.monotonic() + SECONDS
    while time.monotonic() < latest:
        state = lesson.state()
        if state.is_settled:
            return state
        threading.Event().wait(0.01)
    raise AssertionError(f"not settled: {lesson.state()}")


def saved(lesson: Lesson) -> State:
    """Wait until a run is saved, or could not be."""
    latest = time.monotonic() + SECONDS
    while time.monotonic() < latest:
        state = lesson.state()
        if state.saving is not None and state.saving.status in {"done", "failed"}:
            return state
        threading.Event().wait(0.02)
    raise AssertionError(f"not saved: {lesson.state().saving}")


@pytest.fixture
def begun(lesson: Lesson) -> Iterator[Lesson]:
    """A lesson in an empty folder that has begun."""
    with lesson:
        yield lesson


def teach(lesson: Lesson, encode: Callable[..., bytes], n: int, *, names: tuple[str, ...] = ("cup", "pen")) -> State:
    """Add n pictures to each class, one after another, and wait until they are learned."""
    for label, name in enumerate(names):
        if name not in lesson.album.snapshot().classes:
            lesson.album.add_class(name)
        for seed in range(n):
            lesson.album.add(name, [(f"{seed}.png", encode(label, seed))])
            lesson.changed()
    return settled(lesson)


def test_an_empty_lesson_says_what_is_missing(begun: Lesson) -> None:
    assert settled(begun).missing == ("Add two classes, and pictures of each.",)
    with pytest.raises(NothingLearnedError, match="Nothing has been learned yet"):
        begun.predict([("a", b"")])
    with pytest.raises(NothingLearnedError, match="nothing to save"):
        begun.save()


@pytest.mark.slow
def test_pictures_are_learned_judged_and_recognised(begun: Lesson, encode: Callable[..., bytes]) -> None:
    state = teach(begun, encode, 12)
    assert state.taught is not None
    assert state.taught.head.classes == ("cup", "pen")
    assert isinstance(state.taught.judgement, Judgement)
    assert state.taught.judgement.accuracy.value is not None
    assert state.taught.judgement.accuracy.value > 0.8
    good, broken = begun.predict([("new.png", encode(1, 99)), ("broken.png", b"no picture")])
    assert good.prediction == "pen"
    assert sum(good.scores.values()) == pytest.approx(1.0, abs=1e-5)
    assert broken.error is not None


@pytest.mark.slow
def test_a_class_joins_when_it_has_pictures_enough(begun: Lesson, encode: Callable[..., bytes]) -> None:
    teach(begun, encode, 6)
    begun.album.add_class("key")
    begun.album.add("key", [("a", encode(2, 0))])
    begun.changed()
    state = settled(begun)
    assert state.taught is not None
    assert state.taught.head.classes == ("cup", "pen")
    assert any("it has 1" in sentence for sentence in state.missing)
    with pytest.raises(NothingLearnedError, match="key"):
        begun.save()
    state = teach(begun, encode, 6, names=("cup", "pen", "key"))
    assert state.taught is not None
    assert state.taught.head.classes == ("cup", "key", "pen")
    begun.album.remove_class("key")
    begun.album.remove_class("pen")
    begun.changed()
    state = settled(begun)
    assert state.taught is None


@pytest.mark.slow
def test_the_head_depends_on_the_pictures_and_not_on_their_order(
    begun: Lesson, tmp_path: Path, options: TrainOptions, given: frozenset[str], encode: Callable[..., bytes]
) -> None:
    first = teach(begun, encode, 8).taught
    begun.close()
    with Lesson(tmp_path / "lesson", options, given=given) as again:
        again.changed()
        second = settled(again).taught
    assert first is not None
    assert second is not None
    assert np.allclose(first.head.weight.numpy(), second.head.weight.numpy(), atol=1e-5)
    assert first.judgement == second.judgement


@pytest.mark.slow
def test_what_was_computed_is_found_when_the_folder_is_opened_again(
    begun: Lesson, tmp_path: Path, options: TrainOptions, given: frozenset[str], encode: Callable[..., bytes]
) -> None:
    teach(begun, encode, 8)
    begun.close()
    computed: list[int] = []
    again = Lesson(tmp_path / "lesson", options, given=given)
    again._computed = lambda n, _total: computed.append(n)  # type: ignore[method-assign]
    with again:
        assert settled(again).taught is not None
    assert computed == []


@pytest.mark.slow
def test_a_saved_lesson_is_a_complete_run_whose_frozen_layers_were_known(
    begun: Lesson, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    teach(begun, encode, 20)
    begun.save(tmp_path / "run")
    saving = saved(begun).saving
    assert saving is not None
    assert saving.error is None
    assert saving.run == tmp_path / "run"
    run = uf.load(tmp_path / "run")
    assert run.record.status == "done"
    assert run.record.cache is not None
    assert run.record.cache.hit_ratio == 1.0
    assert run.record.config.solver == "lbfgs"
    assert run.metrics.test["accuracy"].value is not None
    assert (tmp_path / "run" / "report.html").is_file()
    assert run.predict([next((tmp_path / "lesson" / "pen").iterdir())])[0].prediction == "pen"


@pytest.mark.slow
def test_recordings_stay_on_one_side_of_a_saved_runs_split(
    begun: Lesson, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    for label, name in enumerate(("cup", "pen")):
        begun.album.add_class(name)
        for recording in range(6):
            frames = [(f"{seed}", encode(label, 100 * recording + seed)) for seed in range(4)]
            begun.album.add(name, frames, recording=f"{label}{recording}abcdef")
    begun.changed()
    state = settled(begun)
    assert state.taught is not None
    assert isinstance(state.taught.judgement, Judgement)
    assert state.taught.judgement.n_units == 12
    begun.save(tmp_path / "run")
    assert saved(begun).saving is not None
    split = uf.load(tmp_path / "run").record.split
    sides: dict[str, set[str]] = {}
    for side, files in split.items():
        for file in files:
            sides.setdefault(file.split("-")[1], set()).add(side)
    assert len(sides) == 12
    assert all(len(each) == 1 for each in sides.values())


@pytest.mark.slow
def test_a_run_that_cannot_be_saved_says_why_and_can_be_asked_for_again(
    begun: Lesson, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    teach(begun, encode, 8)
    (tmp_path / "file").write_text("in the way")
    begun.save(tmp_path / "file")
    with pytest.raises(ConfigError, match="being saved already"):
        begun.save(tmp_path / "run")
    saving = saved(begun).saving
    assert saving is not None
    assert saving.status == "failed"
    assert saving.error is not None
    assert "is a file" in saving.error
    begun.save(tmp_path / "run")
    saving = saved(begun).saving
    assert saving is not None
    assert saving.status == "done"


@pytest.mark.slow
def test_files_that_others_change_are_learned_when_the_folder_is_read_anew(
    begun: Lesson, encode: Callable[..., bytes], wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    teach(begun, encode, 8)
    root = begun.album.folders.root
    for path in list((root / "pen").iterdir())[:2]:
        path.unlink()
    (root / "cup" / "by-hand.png").write_bytes(encode(0, 77))
    begun.rescan()
    wait_until(lambda: begun.state().snapshot.counts == {"cup": 9, "pen": 6})
    state = settled(begun)
    assert state.taught is not None
    assert len(state.taught.files) == 15


@pytest.mark.slow
def test_a_picture_that_vanishes_before_it_is_computed_does_not_end_the_lesson(
    begun: Lesson, encode: Callable[..., bytes]
) -> None:
    teach(begun, encode, 6)
    (added,) = begun.album.add("cup", [("new", encode(0, 50))])
    assert added.file is not None
    (begun.album.folders.root / added.file).unlink()
    begun.changed()
    state = settled(begun)
    assert state.failure is None
    assert state.snapshot.counts == {"cup": 6, "pen": 6}


@pytest.mark.slow
def test_a_class_that_is_renamed_while_vectors_are_computed_is_learned_by_its_new_name(
    begun: Lesson, encode: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    settled(begun)
    for label, name in enumerate(("cup", "pen")):
        begun.album.add_class(name)
        begun.album.add(name, [(str(seed), encode(label, seed)) for seed in range(100)])
    renamed: list[str] = []

    def rename(_n: int, _total: int) -> None:
        if not renamed:  # the first pictures are computed, the last are not read yet
            renamed.append(begun.album.rename_class("pen", "pencil"))

    begun._computed = rename  # type: ignore[method-assign]
    begun.changed()
    state = settled(begun)
    assert state.taught is not None
    assert state.taught.head.classes == ("cup", "pencil")
    assert state.failure is None
    assert caplog.records == []


@pytest.mark.slow
def test_a_folder_that_could_not_be_read_is_told_of_until_it_can(
    begun: Lesson, encode: Callable[..., bytes], wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    teach(begun, encode, 6)
    (begun.album.folders.root / "train").mkdir()
    begun.rescan()
    wait_until(lambda: "divided by folders" in (begun.state().failure or ""))
    (begun.album.folders.root / "train").rmdir()
    begun.rescan()
    wait_until(lambda: begun.state().failure is None)


@pytest.mark.slow
def test_what_failed_once_is_tried_again_when_the_folder_is_read_anew(
    begun: Lesson, encode: Callable[..., bytes], wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    settled(begun)
    failed: list[int] = []

    def fail_once(n: int, _total: int) -> None:
        if not failed:
            failed.append(n)
            raise OSError("the disk was away for a moment")

    begun._computed = fail_once  # type: ignore[method-assign]
    assert "away for a moment" in (teach(begun, encode, 6).failure or "")
    begun.rescan()
    wait_until(lambda: begun.state().taught is not None)
    assert settled(begun).failure is None


@pytest.mark.slow
def test_pictures_that_come_while_it_learns_are_learned_too(begun: Lesson, encode: Callable[..., bytes]) -> None:
    teach(begun, encode, 6)

    def add(label: int, name: str) -> None:
        for seed in range(20, 40):
            begun.album.add(name, [("a", encode(label, seed))])
            begun.changed()
            begun.predict([("b", encode(label, seed))])

    tabs = [threading.Thread(target=add, args=each) for each in ((0, "cup"), (1, "pen"), (0, "cup"))]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    state = settled(begun)
    assert state.snapshot.counts == {"cup": 26, "pen": 26}
    assert state.taught is not None
    assert len(state.taught.files) == 52


@pytest.mark.slow
def test_a_network_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    options = TrainOptions(model="resnet18", weights=str(tmp_path / "weights.pth"), cache=False)
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    with Lesson(tmp_path / "lesson", options, given=frozenset({"model", "weights", "cache"})) as lesson:
        latest = time.monotonic() + SECONDS
        while lesson.state().failure is None and time.monotonic() < latest:
            threading.Event().wait(0.02)
        assert "weights.pth" in (lesson.state().failure or "")


def test_a_folder_may_be_given_as_text(tmp_path: Path, options: TrainOptions, given: frozenset[str]) -> None:
    assert Lesson(f"{tmp_path}/lesson/", options, given=given).album.folders.root == tmp_path / "lesson"


def test_settings_that_are_wrong_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hidden"):
        Lesson(tmp_path / "lesson", TrainOptions(hidden=4, cache=False), given=frozenset({"hidden"}))
