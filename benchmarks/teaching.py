"""`python benchmarks/teaching.py PICTURES`: how long a lesson takes to learn a picture that is added to it.

All but the last pictures are added first, then each of the last by itself:

* *head*: from the picture's bytes to a head that has learned it, with the pause in which it waits for further pictures;
  must be less than a second with 500 pictures;
* *judged*: until its accuracy by cross-validation is known as well, which takes longer the more classes there are;
* *fit*: of that, fitting and judging alone;
* *reopened*: a new lesson in the same folder, from nothing to its head and accuracy, all vectors being kept;
* *saved*: a whole run, with its split, test metrics and report.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unfreeze.data import open_dataset
from unfreeze.records import TrainOptions
from unfreeze.teaching import Lesson, State

LIMIT = 1.0  # seconds
PATIENCE = 600.0


def main() -> None:
    """Measure, print, and keep the figures if told where."""
    given = _arguments()
    dataset = open_dataset(given.pictures)
    order = random.Random(0).sample(range(len(dataset)), min(given.n_pictures + given.n_more, len(dataset)))
    pictures = [(dataset.outputs[dataset.targets[i]], (dataset.root / dataset.files[i]).read_bytes()) for i in order]
    with tempfile.TemporaryDirectory() as name:
        found = _measured(Path(name), pictures, n_more=given.n_more)
    for what, value in found.items():
        print(f"{what:>12}  {value}")
    for what, until in (("head", "its head"), ("judged", "its head and accuracy")):
        verdict = "yes" if found[what]["largest"] < LIMIT else "no"
        print(f"always less than {LIMIT:g} s from the last picture to {until}: {verdict}")
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _measured(folder: Path, pictures: list[tuple[str, bytes]], *, n_more: int) -> dict[str, Any]:
    options = TrainOptions(cache_dir=str(folder / "cache"))
    found: dict[str, Any] = {"pictures": len(pictures) - n_more, "classes": len({name for name, _ in pictures})}
    lesson = Lesson(folder / "lesson", options, given=frozenset({"cache_dir"}))
    with lesson:
        for name in sorted({name for name, _ in pictures}):
            lesson.album.add_class(name)
        began = time.perf_counter()
        for name, payload in pictures[:-n_more]:
            lesson.album.add(name, [("picture", payload)])
            lesson.changed()
        _wait(lesson, _is_learned)
        found["all"] = round(time.perf_counter() - began, 3)
        times = [_added(lesson, name, payload) for name, payload in pictures[-n_more:]]
        for number, what in enumerate(("head", "judged", "fit")):
            found[what] = _spread([each[number] for each in times])
        began = time.perf_counter()
        lesson.save(folder / "run")
        _wait(lesson, lambda state: state.saving is not None and state.saving.status in {"done", "failed"})
        found["saved"] = round(time.perf_counter() - began, 3)
        saving = lesson.state().saving
        assert saving is not None and saving.run is not None, saving  # noqa: PT018, S101 - a benchmark must not lie
    began = time.perf_counter()
    with Lesson(folder / "lesson", options, given=frozenset({"cache_dir"})) as again:
        _wait(again, lambda state: _is_learned(state) and bool(state.snapshot.fingerprints))
        found["reopened"] = round(time.perf_counter() - began, 3)
    return found


def _added(lesson: Lesson, name: str, payload: bytes) -> tuple[float, float, float]:
    """Return the seconds until a picture's head is there, until it is judged, and of fitting alone."""
    began = time.perf_counter()
    lesson.album.add(name, [("picture", payload)])
    lesson.changed()
    version = lesson.album.version
    _wait(lesson, lambda state: state.taught is not None and state.taught.version == version)
    head = time.perf_counter() - began
    state = _wait(lesson, _is_learned)
    assert state.taught is not None  # noqa: S101 - it was waited for
    return head, time.perf_counter() - began, state.taught.seconds


def _is_learned(state: State) -> bool:
    return (
        state.taught is not None
        and state.taught.version == state.snapshot.version
        and state.taught.judgement is not None
    )


def _wait(lesson: Lesson, is_so: Callable[[State], bool]) -> State:
    latest = time.perf_counter() + PATIENCE
    while not is_so(state := lesson.state()):
        if state.failure is not None or time.perf_counter() > latest:
            raise SystemExit(f"The lesson does not go on: {state.failure or state.work}")
        time.sleep(0.01)
    return state


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "smallest": round(min(values), 3),
        "largest": round(max(values), 3),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="a folder of class folders, or a table")
    parser.add_argument("--n-pictures", type=int, default=500)
    parser.add_argument("--n-more", type=int, default=20, help="how many are added one by one")
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
