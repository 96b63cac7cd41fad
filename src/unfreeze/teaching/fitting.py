"""A linear head on vectors, fitted anew in a moment, and how good it will be: by cross-validation on the same vectors.

Folds hold whole units out: frames of one recording and near-duplicates are together, as in a training's split, because
a frame is recognised by its neighbour whatever the head has learned. The strength of the penalty that judges a fold is
the one that did best on the pictures of the other folds, so that no picture has a say in what it is judged by; the head
itself takes the one that did best on all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unfreeze.comparison.folds import divide_folds
from unfreeze.data import Dataset
from unfreeze.data.split import join_units
from unfreeze.data.threads import computing_alone, n_usable_cores, one_thread
from unfreeze.metrics import evaluate_metric
from unfreeze.records import Interval
from unfreeze.training.lbfgs import Linear, fit_linear, l2_strengths, standardise
from unfreeze.training.loss import loss_function

__all__ = ["USUAL_STRENGTH", "Judgement", "LinearHead", "Mistake", "cross_validate", "fit_head"]

N_FOLDS = 5
STRENGTHS = l2_strengths(5)[1:4]  # the ends are seldom best on so few pictures, and the weakest takes longest
USUAL_STRENGTH = STRENGTHS[1]  # where nothing can be held out to choose by
LEAST_UNITS = 2  # of a class: one to learn from, one to judge by

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A linear classifier of vectors.

    Attributes:
        classes: (k,) what it tells apart.
        weight: float32 (k, n_features).
        bias: float32 (k,).
    """

    classes: tuple[str, ...]
    weight: Tensor
    bias: Tensor

    def probabilities(self, vectors: Tensor) -> Tensor:
        """Return float32 (n, k) for vectors (n, n_features)."""
        return torch.softmax(vectors @ self.weight.T + self.bias, dim=1)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture that the head got wrong while it was held out.

    Attributes:
        index: of the picture in the data set.
        prediction: the class it was taken for.
        probability: of that class.
    """

    index: int
    prediction: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How a head does on pictures that it has not seen.

    Attributes:
        n_folds: into how many parts the pictures were divided.
        n_units: how many pictures, recordings and clusters of near-duplicates there are, each counted once.
        accuracy: the share of pictures that are recognised, with 95% limits.
        balanced_accuracy: the mean over classes, likewise.
        recall: the share of each class's pictures.
        confusions: (true class, predicted class, pictures), the most frequent first.
        mistakes: the surest first.
        l2: the strength of the penalty that did best.
    """

    n_folds: int
    n_units: int
    accuracy: Interval
    balanced_accuracy: Interval
    recall: dict[str, Interval]
    confusions: tuple[tuple[str, str, int], ...]
    mistakes: tuple[Mistake, ...]
    l2: float


def fit_head(
    vectors: Tensor, dataset: Dataset, *, l2: float = USUAL_STRENGTH, check: Callable[[], None] = lambda: None
) -> LinearHead:
    """Fit a head to all pictures.

    Args:
        vectors: float32 (n, n_features), not changed.
        dataset: their classes.
        l2: the strength of the penalty.
        check: called before each evaluation of the loss; it may raise, to interrupt.
    """
    targets = torch.from_numpy(np.array(dataset.targets))
    with one_thread():
        (found,) = _fit_path(vectors, targets, len(dataset.outputs), (l2,), check)
    return LinearHead(dataset.outputs, found.weight.float(), found.bias.float())


def cross_validate(
    vectors: Tensor,
    dataset: Dataset,
    clusters: Sequence[Sequence[int]],
    *,
    check: Callable[[], None] = lambda: None,
) -> Judgement | str:
    """Judge heads by pictures that they have not seen; say why, where that cannot be done.

    Args:
        vectors: float32 (n, n_features).
        dataset: their classes, and which belong to one recording (its groups).
        clusters: near-duplicates, as `near_duplicates` finds them.
        check: called before each evaluation of the loss; it may raise, to interrupt.

    Returns:
        The judgement; or a sentence that says what is missing.
    """
    units = join_units(dataset, range(len(dataset)), clusters, 0)
    unit_of = np.zeros(len(dataset), dtype=np.intp)
    for number, unit in enumerate(units):
        unit_of[list(unit.members)] = number
    n_units = {name: len(np.unique(unit_of[dataset.targets == index])) for index, name in enumerate(dataset.outputs)}
    alone = [name for name, n in n_units.items() if n < LEAST_UNITS]
    if alone:
        return _too_alike(alone)
    n_folds = min(N_FOLDS, *n_units.values())
    folds = divide_folds(dataset, n_folds=n_folds, clusters=clusters)
    outputs = np.empty((len(STRENGTHS), len(dataset), len(dataset.outputs)))
    targets = torch.from_numpy(np.array(dataset.targets))

    def judge(number: int) -> None:
        train, held = list(folds.training(number)), list(folds.parts[number])
        path = _fit_path(vectors[train], targets[train], len(dataset.outputs), STRENGTHS, check)
        for strength, linear in enumerate(path):
            found = vectors[held] @ linear.weight.float().T + linear.bias.float()
            outputs[strength, held] = found.numpy()

    with ThreadPoolExecutor(min(n_folds, n_usable_cores()), initializer=computing_alone()) as pool:
        list(pool.map(judge, range(n_folds)))
    losses = _losses(outputs, dataset.targets)
    scores = np.empty(outputs.shape[1:])
    for held in folds.parts:
        others = np.setdiff1d(np.arange(len(dataset)), held)
        best = int(losses[:, others].mean(axis=1).argmin())
        scores[list(held)] = _softmax(outputs[best, list(held)])
    best = int(losses.mean(axis=1).argmin())
    return _judgement(scores, dataset, unit_of, n_folds=n_folds, l2=STRENGTHS[best])


def _fit_path(
    vectors: Tensor, targets: Tensor, n_classes: int, strengths: Sequence[float], check: Callable[[], None]
) -> list[Linear]:
    """Return a layer for each strength, from strong to weak, each begun where the one before ended.

    Operations are small: the caller sees to it that a thread computes alone.
    """
    loss = loss_function("classification")
    rows = standardise(vectors.clone())
    linear = Linear(torch.zeros(n_classes, rows.rows.shape[1]).double(), torch.zeros(n_classes).double())
    found = []
    for l2 in strengths:
        linear = fit_linear(rows, targets, loss, l2=l2, start=linear, check=check)
        found.append(rows.fold(linear))
    return found


def _judgement(scores: Floats, dataset: Dataset, unit_of: NDArray[np.intp], *, n_folds: int, l2: float) -> Judgement:
    truth, names = dataset.targets, dataset.outputs
    predicted = scores.argmax(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    surest = wrong[np.argsort(-scores[wrong, predicted[wrong]], kind="stable")]
    pairs: Counter[tuple[str, str]] = Counter((names[truth[i]], names[predicted[i]]) for i in wrong)
    n_units = int(unit_of.max()) + 1
    clusters = None if n_units == len(dataset) else unit_of

    def metric(name: str, where: NDArray[np.bool_]) -> Interval:
        inside = None if clusters is None else np.unique(clusters[where], return_inverse=True)[1]
        return evaluate_metric(name, truth[where], scores[where], clusters=inside)

    everywhere = np.ones(len(truth), dtype=bool)
    return Judgement(
        n_folds=n_folds,
        n_units=n_units,
        accuracy=metric("accuracy", everywhere),
        balanced_accuracy=metric("balanced_accuracy", everywhere),
        recall={name: metric("accuracy", truth == index) for index, name in enumerate(names)},
        confusions=tuple((real, guess, n) for (real, guess), n in pairs.most_common()),
        mistakes=tuple(Mistake(int(i), names[predicted[i]], float(scores[i, predicted[i]])) for i in surest),
        l2=l2,
    )


def _losses(outputs: Floats, truth: NDArray[np.int64]) -> Floats:
    """Return the log loss of each picture at each strength, (strengths, n), for outputs (strengths, n, k)."""
    from scipy.special import log_softmax

    chosen: Floats = -np.take_along_axis(log_softmax(outputs, axis=2), truth[None, :, None], axis=2)[:, :, 0]
    return chosen


def _softmax(outputs: Floats) -> Floats:
    from scipy.special import softmax

    found: Floats = softmax(outputs, axis=1)
    return found


def _too_alike(names: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"How good it is cannot be told yet: the pictures of {listed} are all of one recording, or all alike, so that "
        "none can be held out. Record again from another side, or add other pictures."
    )
