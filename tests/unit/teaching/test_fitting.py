"""A head on vectors, and its cross-validation: what is right, what is honest, and what cannot be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unfreeze.data import Dataset
from unfreeze.errors import FailedError
from unfreeze.teaching.fitting import Judgement, cross_validate, fit_head

N_FEATURES = 40


def vectors_of(targets: np.ndarray, *, apart: float, seed: int = 0) -> Tensor:
    """Return noise around a centre for each class, float32 (n, N_FEATURES)."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(int(targets.max()) + 1, N_FEATURES)) * apart
    return torch.from_numpy((centres[targets] + generator.normal(size=(len(targets), N_FEATURES))).astype(np.float32))


def dataset_of(targets: np.ndarray, groups: tuple[str, ...] | None = None) -> Dataset:
    """Return a data set of these classes; its files are never read."""
    return Dataset(
        root=Path(),
        files=tuple(f"{target}/{number:03d}.png" for number, target in enumerate(targets)),
        task="classification",
        outputs=tuple("abcdef"[: int(targets.max()) + 1]),
        targets=targets,
        groups=groups,
    )


def judged(found: Judgement | str) -> Judgement:
    """Return a judgement that must be one."""
    assert isinstance(found, Judgement), found
    return found


def test_a_head_recognises_what_it_was_fitted_to_and_is_the_same_each_time() -> None:
    targets = np.arange(60) % 3
    vectors = vectors_of(targets, apart=1.0)
    kept = vectors.clone()
    head = fit_head(vectors, dataset_of(targets))
    again = fit_head(vectors, dataset_of(targets))
    probabilities = head.probabilities(vectors)
    assert (probabilities.argmax(dim=1).numpy() == targets).all()
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(60))
    assert torch.equal(head.weight, again.weight)
    assert torch.equal(vectors, kept), "the vectors of the cache must not be changed"


def test_folds_judge_about_as_other_pictures_do() -> None:
    targets = np.arange(6300) % 3  # so many others that their own figure is exact to half a point
    vectors = vectors_of(targets, apart=0.35)
    some, others = slice(0, 300), slice(300, 6300)
    found = judged(cross_validate(vectors[some], dataset_of(targets[some]), ()))
    head = fit_head(vectors[some], dataset_of(targets[some]), l2=found.l2)
    real = float((head.probabilities(vectors[others]).argmax(dim=1).numpy() == targets[others]).mean())
    assert found.accuracy.low is not None
    assert found.accuracy.high is not None
    assert found.accuracy.low <= real <= found.accuracy.high
    assert found.n_folds == 5
    assert found.n_units == 300


def test_labels_without_meaning_are_not_learned() -> None:
    targets = np.arange(200) % 2
    found = judged(cross_validate(vectors_of(targets * 0, apart=0.0), dataset_of(targets), ()))
    assert found.accuracy.low is not None
    assert found.accuracy.high is not None
    assert found.accuracy.low < 0.5 < found.accuracy.high + 0.05


def frames_of_recordings(n_recordings: int, n_frames: int) -> tuple[Tensor, np.ndarray, tuple[str, ...]]:
    """Return frames that show nothing of their class, but much of their recording: its background."""
    targets = np.repeat(np.arange(n_recordings) % 2, n_frames)
    backgrounds = np.repeat(np.arange(n_recordings), n_frames)
    groups = tuple(f"recording {number}" for number in backgrounds)
    return vectors_of(backgrounds, apart=2.0), targets, groups


def test_frames_of_a_recording_are_held_out_together() -> None:
    vectors, targets, groups = frames_of_recordings(20, 10)
    alone = judged(cross_validate(vectors, dataset_of(targets), ()))
    together = judged(cross_validate(vectors, dataset_of(targets, groups), ()))
    assert alone.accuracy.value is not None
    assert alone.accuracy.value > 0.9, "a frame is recognised by its neighbour"
    assert together.accuracy.value is not None
    assert together.accuracy.value < 0.8, "nothing was learned but backgrounds"
    assert together.n_units == 20


def test_near_duplicates_are_held_out_together() -> None:
    vectors, targets, _ = frames_of_recordings(20, 10)
    clusters = tuple(tuple(range(first, first + 10)) for first in range(0, 200, 10))
    found = judged(cross_validate(vectors, dataset_of(targets), clusters))
    assert found.accuracy.value is not None
    assert found.accuracy.value < 0.8


def test_a_class_of_one_recording_cannot_be_judged_and_is_named() -> None:
    targets = np.arange(24) % 2
    groups = tuple("recording" if target == 0 else f"{n}" for n, target in enumerate(targets))
    found = cross_validate(vectors_of(targets, apart=1.0), dataset_of(targets, groups), ())
    assert isinstance(found, str)
    assert '"a"' in found
    assert '"b"' not in found


def test_few_pictures_make_fewer_folds_and_a_wide_interval() -> None:
    targets = np.arange(8) % 2
    found = judged(cross_validate(vectors_of(targets, apart=3.0), dataset_of(targets), ()))
    assert found.n_folds == 4
    assert found.accuracy.low is not None
    assert found.accuracy.low < 0.7


def test_mistakes_are_named_the_surest_first() -> None:
    targets = np.arange(120) % 2
    vectors = vectors_of(targets, apart=1.5)
    wrong = targets.copy()
    wrong[10] = 1 - wrong[10]
    found = judged(cross_validate(vectors, dataset_of(wrong), ()))
    assert found.mistakes[0].index == 10
    assert found.mistakes[0].prediction == "ab"[targets[10]]
    assert [n for _, _, n in found.confusions] == sorted((n for _, _, n in found.confusions), reverse=True)
    assert sum(n for _, _, n in found.confusions) == len(found.mistakes)
    assert found.recall.keys() == {"a", "b"}


def test_judging_can_be_interrupted() -> None:
    def stop() -> None:
        raise FailedError("enough")

    targets = np.arange(60) % 3
    with pytest.raises(FailedError, match="enough"):
        cross_validate(vectors_of(targets, apart=1.0), dataset_of(targets), (), check=stop)
