"""What features tell of labels and leaks: planted errors are found, sound data are left in peace."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unfreeze.auditing import check_dataset, find_features, label_suspects, likeness_findings, probed_suspects
from unfreeze.auditing.probing import N_FOLDS, cross_validated
from unfreeze.cache import ActivationCache, PassDescription, row_key
from unfreeze.data import Dataset, Fingerprint, Split

N = 150


def pictures(*, task: str = "classification", flipped: tuple[int, ...] = ()) -> tuple[Dataset, np.ndarray]:
    """Three classes whose features lie apart; the labels of some are wrong."""
    rng = np.random.default_rng(0)
    classes = np.arange(N) % 3
    features = rng.normal(size=(N, 60)) + 3 * np.repeat(np.eye(3), 20, axis=1)[classes]
    labels = classes.copy()
    labels[list(flipped)] = (labels[list(flipped)] + 1) % 3
    targets = labels if task == "classification" else np.eye(3)[labels]
    names = tuple(f"{i}.png" for i in range(N))
    return Dataset(Path(), names, task, ("ant", "bee", "fly"), targets), features


def fingerprints(dataset: Dataset) -> list[Fingerprint]:
    return [Fingerprint(file, file, size=(64, 64), mode="RGB", format="PNG") for file in dataset.files]


def test_planted_label_errors_are_found_and_what_they_look_like() -> None:
    dataset, features = pictures(flipped=(4, 50, 99))
    found = probed_suspects(dataset, features)
    assert found is not None
    assert {each.file for each in found} == {"4.png", "50.png", "99.png"}
    by_file = {each.file: each for each in found}
    assert (by_file["4.png"].given, by_file["4.png"].suggested) == ("fly", "bee")
    assert by_file["4.png"].suggested_probability > 0.5
    assert probed_suspects(*pictures()) == ()


def test_of_several_labels_the_wrong_one_is_named() -> None:
    dataset, features = pictures(task="multilabel", flipped=(4,))
    said = {(each.given, each.suggested) for each in probed_suspects(dataset, features) or ()}
    assert said
    assert said <= {("not bee", "bee"), ("fly", "not fly")}


@pytest.mark.parametrize(("task", "n_labels"), [("classification", N), ("multilabel", 3 * N)])
def test_suspect_labels_are_counted_among_labels(task: str, n_labels: int) -> None:
    dataset, features = pictures(task=task, flipped=(4, 50, 99))
    found = {each.code: each for each in check_dataset(dataset, fingerprints(dataset), features=features)}
    assert f" of {n_labels} labels are contradicted" in found["UF601"].message


def test_a_few_pictures_are_not_probed() -> None:
    dataset, features = pictures(flipped=(4,))
    assert probed_suspects(dataset.subset(range(30)), features[:30]) is None
    assert label_suspects(dataset, [], np.zeros((0, 3))) == ()


def test_a_probe_never_learns_from_the_picture_it_judges_nor_from_its_copies() -> None:
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(30, 50)), 2, axis=0)  # pairs of copies, labels by chance
    marks = np.repeat(rng.integers(0, 2, 30), 2)
    pairs = [(2 * i, 2 * i + 1) for i in range(30)]
    honest = cross_validated(features, marks, units=pairs, n_classes=2)
    leaking = cross_validated(features, marks, n_classes=2)
    assert (leaking.argmax(axis=1) == marks).mean() > (honest.argmax(axis=1) == marks).mean() + 0.15
    np.testing.assert_allclose(honest.sum(axis=1), 1)


def test_a_class_of_one_picture_does_not_stop_a_probe() -> None:
    _, features = pictures()
    marks = np.arange(N) % 2
    marks[0] = 2
    said = cross_validated(features, marks, n_classes=4)
    assert said.shape == (N, 4)
    assert said[0, 2] == 0
    assert (said[:, 3] == 0).all()
    assert N_FOLDS == 5


def test_where_a_class_has_one_picture_no_library_speaks_to_the_user() -> None:
    dataset, _ = pictures()
    targets = np.where((dataset.targets == 2) & (np.arange(N) != 2), 0, dataset.targets)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        label_suspects(replace(dataset, targets=targets), range(N), np.eye(3)[targets] * 0.7 + 0.1)
    assert not [each for each in heard if issubclass(each.category, UserWarning)]


def test_labels_and_leaks_are_told_from_features() -> None:
    dataset, features = pictures(flipped=(4,))
    features[147] = features[3] + 0.01  # a mirrored copy on the other side
    sides = Split(tuple(range(100)), tuple(range(100, 120)), tuple(range(120, N)), (), "")
    found = {each.code: each for each in check_dataset(dataset, fingerprints(dataset), sides, features=features)}
    assert '"4.png" is given as fly, looks like bee' in found["UF601"].message
    assert found["UF303"].files == ("147.png", "3.png")
    assert '"147.png" (test) and "3.png" (train)' in found["UF303"].message
    assert "--group" in found["UF303"].remedy
    without = {each.code for each in check_dataset(dataset, fingerprints(dataset), sides)}
    assert not without & {"UF601", "UF303"}


def test_what_hashes_have_found_is_not_reported_twice_and_without_sides_there_is_no_leak() -> None:
    dataset, features = pictures()
    features[147] = features[3]
    sides = Split(tuple(range(100)), tuple(range(100, 120)), tuple(range(120, N)), (), "")
    assert [each.code for each in likeness_findings(dataset, features, sides)] == ["UF303"]
    assert likeness_findings(dataset, features, sides, known=[(3, 147)]) == []
    assert likeness_findings(dataset, features) == []


def test_features_of_unreadable_pictures_are_not_needed() -> None:
    dataset, features = pictures(flipped=(4, 50, 99))
    known = fingerprints(dataset)
    known[7] = replace(known[7], error="damaged")
    found = check_dataset(dataset, known, features=np.delete(features, 7, axis=0))
    assert set(next(each for each in found if each.code == "UF601").files) == {"4.png", "50.png", "99.png"}


@pytest.mark.parametrize("n_cached", [N, N - 1])
def test_cached_features_are_found_where_every_picture_has_them(tmp_path: Path, n_cached: int) -> None:
    dataset, features = pictures()
    cache = ActivationCache(tmp_path)
    known = fingerprints(dataset)
    assert find_features(cache, known) is None
    described = PassDescription(
        model="resnet18", frontier="features", size=(224, 224), views="evaluation", engine="eager", precision="fp32"
    )
    keys = [row_key(each.sha256, augment="none", view=0, file=each.file) for each in known[:n_cached]]
    values = features[:n_cached].astype(np.float32)
    with cache.writing("ab" * 32, description=described, n_rows=n_cached) as writer:
        writer.add(keys, {"features": values})
    found = find_features(cache, known)
    if n_cached < N:
        assert found is None
        return
    assert found is not None
    assert (found.model, found.size) == ("resnet18", (224, 224))
    np.testing.assert_array_equal(found.values, values)
