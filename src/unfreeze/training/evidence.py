"""What a run leaves in evidence/ about its data: findings, and labels that are probably wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from unfreeze.auditing import (
    Suspect,
    SuspectList,
    check_dataset,
    group_members,
    has_cleanlab,
    label_suspects,
    likeness_findings,
    probed_suspects,
    write_findings,
)
from unfreeze.auditing.findings import SEVERITIES
from unfreeze.auditing.probing import MIN_PROBED
from unfreeze.auditing.suspects import NO_CLEANLAB, SUSPECTS
from unfreeze.data import near_duplicates
from unfreeze.evaluation.evidence import write_thumbnail
from unfreeze.evaluation.mistakes import EVIDENCE
from unfreeze.evaluation.predictions import Predictions
from unfreeze.records import TrainOptions, write_json
from unfreeze.training.inputs import StudiedData

__all__ = ["write_data_evidence"]

N_SUSPECTS = 12  # shown
NOT_ASKED = (
    "Labels were not judged: train with --check-labels, or ask `unfreeze check DATA` after the training of a head, "
    "whose frozen features it finds in the cache."
)


def write_data_evidence(
    directory: Path, data: StudiedData, predictions: Predictions, features: np.ndarray | None, options: TrainOptions
) -> None:
    """Write evidence/findings.json and evidence/suspects.json with its thumbnails.

    Args:
        directory: the run directory; its evidence/ exists.
        data: the pictures.
        predictions: what the network says of validation, then of test pictures, in the order of the split.
        features: (n, d) of all pictures, where the frozen network's are at hand.
        options: the run's; labels are judged where it says `check_labels`, and by its seed.
    """
    clusters = near_duplicates(data.fingerprints)
    found = [*check_dataset(data.dataset, data.fingerprints, data.split, clusters=clusters)]
    if features is not None:  # labels are looked at below, those of held-out pictures by a better judge
        found += likeness_findings(data.dataset, features, data.split, known=clusters)
    write_findings(directory / EVIDENCE, sorted(found, key=lambda each: SEVERITIES.index(each.severity)))
    _write_suspects(directory / EVIDENCE, data, _suspects(data, predictions, features, clusters, options))


def _suspects(
    data: StudiedData,
    predictions: Predictions,
    features: np.ndarray | None,
    clusters: Sequence[Sequence[int]],
    options: TrainOptions,
) -> tuple[tuple[Suspect, ...], SuspectList]:
    """Return all suspects, and a list that says what was checked but shows none yet."""
    dataset, split = data.dataset, data.split
    if dataset.task == "regression":
        return (), SuspectList(notes=("Values are not checked: how far one may be off is not known.",))
    if not options.check_labels:
        return (), SuspectList(notes=(NOT_ASKED,))
    if not has_cleanlab():
        return (), SuspectList(notes=(NO_CLEANLAB,))
    held_out = (*split.val, *split.test)
    suspects = label_suspects(dataset, held_out, predictions.scores)
    n_checked = dataset.targets[list(held_out)].size  # labels: one of each picture, or all that it may have
    notes = ["Validation and test pictures are judged by the network, which did not learn from them."]
    if features is None:
        notes.append("Training pictures are not judged: the network knows them, and no frozen features are at hand.")
    else:
        train = np.asarray(split.train)
        of_train = dataset.subset(split.train)
        place = {int(index): row for row, index in enumerate(train)}
        units = [[place[i] for i in members if i in place] for members in (*clusters, *group_members(dataset))]
        probed = probed_suspects(of_train, features[train], units=[u for u in units if len(u) > 1], seed=options.seed)
        if probed is None:
            notes.append(
                f"Training pictures are not judged: {len(train)} are too few for a linear probe, which needs at least "
                f"{MIN_PROBED}."
            )
        else:
            suspects += probed
            n_checked += of_train.targets.size
            notes.append(
                "Training pictures are judged by a linear probe on the frozen features, each fifth by the others."
            )
    ranked = sorted(suspects, key=lambda each: (each.given_probability - each.suggested_probability, each.file))
    return tuple(ranked), SuspectList(n_suspects=len(ranked), n_checked=n_checked, notes=tuple(notes))


def _write_suspects(folder: Path, data: StudiedData, found: tuple[tuple[Suspect, ...], SuspectList]) -> None:
    for old in folder.glob("suspect-*.jpg"):
        old.unlink()
    suspects, told = found
    shown = tuple(
        msgspec.structs.replace(
            each,
            thumbnail=write_thumbnail(
                folder / f"suspect-{i:02d}.jpg", data.dataset.root / each.file, depth_range=data.depth_range
            ),
        )
        for i, each in enumerate(suspects[:N_SUSPECTS], start=1)
    )
    write_json(folder / SUSPECTS, msgspec.structs.replace(told, suspects=shown))
