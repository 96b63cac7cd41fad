"""Heads tried on vectors: linear by L-BFGS, linear by AdamW at several rates, nearest neighbours; folds judge.

A probe at every depth is Yosinski et al. 2014's curve on the user's own pictures: where it peaks is how far up the
pretrained features serve this task. What a fold's held-out pictures judge was not chosen by them: the strength of the
penalty is the one that does best on the other folds, and AdamW's heads are those of the last epoch. Where the split is
the only fold, validation chooses and judges, as it does for a training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.backbones import make_head, output_scores
from unfreeze.comparison.folds import divide_folds
from unfreeze.data import near_duplicates
from unfreeze.data.threads import one_thread
from unfreeze.errors import DataError
from unfreeze.metrics.points import read_by
from unfreeze.plans import Plan
from unfreeze.records import ModelRecord
from unfreeze.training.checkpoint import Best
from unfreeze.training.epochs import LoopSettings
from unfreeze.training.inputs import StudiedData
from unfreeze.training.lbfgs import Linear, fit_linear, l2_strengths, standardise
from unfreeze.training.loss import Loss
from unfreeze.training.many_heads import HeadStart, Vectors, train_heads
from unfreeze.training.state import improves
from unfreeze.training.validating import judge

__all__ = ["Fold", "fold_numbers", "folds_of", "linear_probe", "neighbour_probe", "rate_probe", "read_outputs"]

Array = NDArray[Any]
Floats = NDArray[np.float32]

N_FOLDS = 5
ENOUGH_TO_JUDGE = 1000  # validation pictures beyond which folds say little more
N_STRENGTHS = 5
N_NEIGHBOURS = 10


class Fold(NamedTuple):
    """Indices of pictures: those that train, and those that are held out."""

    train: tuple[int, ...]
    held: tuple[int, ...]


def folds_of(data: StudiedData, *, seed: int) -> tuple[Fold, ...]:
    """Return five folds of all pictures that train or validate; the split itself where validation is large enough.

    So it is where a class lies in a single picture, group or cluster of near-duplicates: while that is held out,
    nothing would train on the class. So too where pictures form fewer groups than folds. A class with fewer pictures
    than folds is held out in some of them only.
    """
    split, dataset = data.split, data.dataset
    alone = (Fold(split.train, split.val),)
    if len(split.val) >= ENOUGH_TO_JUDGE:
        return alone
    pool = tuple(sorted((*split.train, *split.val)))
    try:
        folds = divide_folds(
            dataset, n_folds=N_FOLDS, among=pool, clusters=near_duplicates(data.fingerprints), seed=seed
        )
    except DataError:  # fewer groups than folds
        return alone
    found = tuple(Fold(folds.training(number), part) for number, part in enumerate(folds.parts))
    if dataset.task == "classification":
        known = set(dataset.targets[list(pool)].tolist())
        if any(set(dataset.targets[list(fold.train)].tolist()) != known for fold in found):
            return alone
    return found


def fold_numbers(folds: Sequence[Fold]) -> tuple[int, ...] | None:
    """Return which fold holds out each of the pictures that they judge, in ascending order; None of a single fold.

    >>> fold_numbers([Fold((0, 2), (1, 3)), Fold((1, 3), (0, 2))])
    (1, 0, 1, 0)
    """
    if len(folds) == 1:
        return None
    number_of = {index: number for number, fold in enumerate(folds) for index in fold.held}
    return tuple(number_of[index] for index in sorted(number_of))


def linear_probe(
    rows: Tensor,
    targets: Array,
    folds: Sequence[Fold],
    *,
    record: ModelRecord,
    loss: Loss,
    metric: str,
    groups: Sequence[slice] | None = None,
    n_strengths: int = N_STRENGTHS,
    check: Callable[[], None] = lambda: None,
) -> Floats:
    """Fit a linear head by L-BFGS to each fold's training pictures; return raw outputs for the held-out ones.

    Those of the strength that does best on the pictures that the other folds hold out, or, of a single fold, its own.

    Args:
        rows: float32 (n, d) vectors of all pictures.
        targets: of all pictures.
        folds: which train and which are held out.
        record: of the network that the vectors are of.
        loss: the mean loss of outputs and targets.
        metric: what chooses the strength of the penalty.
        groups: columns of the same units; None: all.
        n_strengths: how many are tried, from strong to weak.
        check: called before each evaluation; it may raise, to interrupt.

    Returns:
        (n, n_outputs), nan for pictures that no fold holds out.
    """
    n_outputs = len(record.outputs)
    by_strength = {l2: _nothing(len(rows), n_outputs) for l2 in l2_strengths(n_strengths)}
    for fold in folds:
        vectors = standardise(rows[list(fold.train)].clone(), groups)
        wanted, held = torch.from_numpy(targets[list(fold.train)]), rows[list(fold.held)]
        width = vectors.rows.shape[1]
        linear = Linear(torch.zeros(n_outputs, width).double(), torch.zeros(n_outputs).double())
        for l2, outputs in by_strength.items():
            with one_thread():
                linear = fit_linear(vectors, wanted, loss, l2=l2, start=linear, check=check)
            folded = vectors.fold(linear)
            outputs[list(fold.held)] = (held @ folded.weight.float().T + folded.bias.float()).numpy()
    return _chosen(list(by_strength.values()), targets, folds, record=record, metric=metric)


def rate_probe(
    rows: Tensor,
    targets: Array,
    folds: Sequence[Fold],
    *,
    plan: Plan,
    rates: Sequence[float],
    settings: LoopSettings,
    record: ModelRecord,
    loss: Loss,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> tuple[Floats, ...]:
    """Train a linear head on each fold at several rates at once, as `head` does; return raw outputs for each rate.

    Those after the last epoch, or, of a single fold, after the one that does best on what it holds out.

    Args:
        rows: float32 (n, d) vectors of all pictures.
        targets: of all pictures.
        folds: which train and which are held out.
        plan: of a training of the head, for its epochs, schedule and decay.
        rates: of the head.
        settings: of such a training.
        record: of the network that the vectors are of.
        loss: the mean loss of a batch.
        seed: of the head's first weights.
        check: called once a step; it may raise, to interrupt.

    Returns:
        As `linear_probe`, in the order of `rates`.
    """
    found = tuple(_nothing(len(rows), len(record.outputs)) for _ in rates)
    (layer,) = make_head(rows.shape[1], n_outputs=len(record.outputs), seed=seed)
    assert isinstance(layer, nn.Linear)
    phase = plan.phases[0]
    starts = [
        HeadStart(weight=layer.weight.detach(), bias=layer.bias.detach(), lr=rate, weight_decay=phase.weight_decay)
        for rate in rates
    ]
    vectors = Vectors(rows=rows.contiguous(), targets=targets)
    for fold in folds:
        heads = train_heads(
            starts, vectors, settings=replace(settings, train=fold.train, val=fold.held, sampling=None),
            record=record, loss=loss, epochs=phase.epochs, schedule=phase.schedule, warmup=phase.warmup,
            keep="best" if len(folds) == 1 else "last", check=check,
        )  # fmt: skip
        held = rows[list(fold.held)]
        for outputs, head in zip(found, heads, strict=True):
            outputs[list(fold.held)] = (held @ head.weight.T + head.bias).numpy()
    return found


def neighbour_probe(
    rows: Tensor, targets: Array, folds: Sequence[Fold], *, record: ModelRecord, n_neighbours: int = N_NEIGHBOURS
) -> Floats:
    """Let the nearest training pictures vote: shares of classes or labels, or mean values, for held-out pictures.

    Nearest by the cosine between centred vectors. Nothing is fitted, so that it tells what a depth holds without asking
    whether a linear layer can read it.

    Returns:
        (n, n_outputs) probabilities, or values in their units; nan for pictures that no fold holds out.
    """
    n_outputs = len(record.outputs)
    known = np.eye(n_outputs, dtype=np.float32)[targets] if targets.ndim == 1 else targets.astype(np.float32)
    found = _nothing(len(rows), n_outputs)
    for fold in folds:
        train, held = rows[list(fold.train)], rows[list(fold.held)]
        centre = train.mean(dim=0)
        near = nn.functional.normalize(held - centre) @ nn.functional.normalize(train - centre).T
        nearest = near.topk(min(n_neighbours, len(fold.train)), dim=1).indices.numpy()
        found[list(fold.held)] = known[list(fold.train)][nearest].mean(axis=1)
    return found


def read_outputs(outputs: Floats, record: ModelRecord, *, metric: str) -> Array:
    """Return what a metric reads of raw outputs (n, n_outputs): probabilities, values, or the scores that decide."""
    raw = torch.from_numpy(np.asarray(outputs, dtype=np.float32))
    scores, deciding = output_scores(raw, record).numpy(), output_scores(raw, record, balanced=True).numpy()
    read: Array = read_by(metric, scores, None if record.task == "regression" else deciding)
    return read.astype(np.float64)


def _nothing(n: int, n_outputs: int) -> Floats:
    return np.full((n, n_outputs), np.nan, dtype=np.float32)


def _chosen(
    candidates: Sequence[Floats], targets: Array, folds: Sequence[Fold], *, record: ModelRecord, metric: str
) -> Floats:
    """Return for each fold's held-out pictures the outputs of the candidate that does best on those of the others."""
    found = np.full_like(candidates[0], np.nan)
    for fold in folds:
        judging = [index for other in folds if other is not fold for index in other.held] or list(fold.held)
        best: Best | None = None
        for number, outputs in enumerate(candidates):
            validation = judge(torch.from_numpy(outputs[judging]), targets[judging], record, metric=metric)
            now = Best(epoch=number, value=validation.metrics[metric], val_loss=validation.loss)
            if improves(metric, now, best):
                best, found[list(fold.held)] = now, outputs[list(fold.held)]
    return found
