"""Every finding, from pictures that have what it is about, and none from pictures that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unfreeze.auditing import CODES, Finding, check_dataset
from unfreeze.auditing.balance import MIN_PICTURES
from unfreeze.auditing.shortcuts import cramers_v
from unfreeze.data import Dataset, Fingerprint, Split, check_trainable, open_dataset, scan
from unfreeze.errors import DataError

SHARED = Path(__file__).parents[4] / "shared" / "data"


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)


def write(root: Path, images: dict[str, Image.Image]) -> tuple[str, ...]:
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name)
    return tuple(images)


def classes(root: Path, files: Sequence[str], targets: Sequence[int], **more: object) -> Dataset:
    return Dataset(root, tuple(files), "classification", ("cat", "dog"), np.array(targets), **more)


def made_up(n: int, **more: object) -> list[Fingerprint]:
    """Fingerprints of n good, unlike pictures."""
    return [Fingerprint(f"{i}.png", f"{i}", size=(64, 64), mode="RGB", format="PNG", **more) for i in range(n)]


def balanced(n: int, **more: object) -> Dataset:
    return classes(Path(), [f"{i}.png" for i in range(n)], [i % 2 for i in range(n)], **more)


def codes(found: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in found]


def only(found: Sequence[Finding], code: str) -> Finding:
    (finding,) = [finding for finding in found if finding.code == code]
    return finding


def test_a_good_data_set_has_no_findings() -> None:
    assert check_dataset(balanced(100), made_up(100)) == ()


def test_uf101_unreadable_pictures(tmp_path: Path) -> None:
    files = write(tmp_path, {f"{i}.png": picture(i) for i in range(4)})
    (tmp_path / "2.png").write_bytes(b"nothing")
    found = check_dataset(classes(tmp_path, files, [0, 1, 0, 1]), scan(tmp_path, files))
    finding = only(found, "UF101")
    assert finding.files == ("2.png",)
    assert "1 of 4 pictures cannot be read" in finding.message
    assert "--skip-unreadable" in finding.remedy
    assert found[0] is finding


def test_uf201_copies_under_one_label(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.png": picture(0), "b.png": picture(1), "copy.png": picture(0)})
    found = check_dataset(classes(tmp_path, files, [0, 1, 0]), scan(tmp_path, files))
    assert only(found, "UF201").files == ("a.png", "copy.png")
    assert {"UF202", "UF203", "UF204"}.isdisjoint(codes(found))


def test_uf202_near_duplicates_under_one_label(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.png": picture(0), "b.png": picture(1), "small.jpg": picture(0).resize((64, 64))})
    found = check_dataset(classes(tmp_path, files, [0, 1, 0]), scan(tmp_path, files))
    assert only(found, "UF202").files == ("a.png", "small.jpg")
    assert {"UF201", "UF203", "UF204"}.isdisjoint(codes(found))


def test_uf203_the_same_picture_under_two_labels(tmp_path: Path) -> None:
    files = write(tmp_path, {"cat/a.png": picture(0), "cat/b.png": picture(1), "dog/c.png": picture(0)})
    found = check_dataset(classes(tmp_path, files, [0, 0, 1]), scan(tmp_path, files))
    finding = only(found, "UF203")
    assert finding.files == ("cat/a.png", "dog/c.png")
    assert '"cat/a.png" (cat) and "dog/c.png" (dog)' in finding.message
    assert {"UF201", "UF202", "UF204"}.isdisjoint(codes(found))


def test_uf204_near_duplicates_under_two_labels(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.png": picture(0), "b.png": picture(1), "small.jpg": picture(0).resize((64, 64))})
    fingerprints = scan(tmp_path, files)
    found = check_dataset(classes(tmp_path, files, [0, 1, 1]), fingerprints)
    assert only(found, "UF204").files == ("a.png", "small.jpg")
    assert {"UF201", "UF202", "UF203"}.isdisjoint(codes(found))
    ages = Dataset(tmp_path, files, "regression", ("age",), np.array([[1.0], [2.0], [1.1]]))
    assert "UF204" not in codes(check_dataset(ages, fingerprints))


def test_trap_18_uf301_copies_and_near_duplicates_across_splits(tmp_path: Path) -> None:
    images = {"a.png": picture(0), "b.png": picture(1), "c.png": picture(0), "d.jpg": picture(1).resize((90, 60))}
    files = write(tmp_path, {**images, "e.png": picture(2)})
    fingerprints = scan(tmp_path, files)
    given = classes(tmp_path, files, [0, 1, 0, 1, 0], splits=("train", "train", "test", "val", "test"))
    finding = only(check_dataset(given, fingerprints), "UF301")
    assert finding.files == ("a.png", "c.png", "b.png", "d.jpg")
    assert '"a.png" (train) and "c.png" (test)' in finding.message
    together = classes(tmp_path, files, [0, 1, 0, 1, 0], splits=("train", "val", "train", "val", "test"))
    assert "UF301" not in codes(check_dataset(together, fingerprints))
    assert "UF301" not in codes(check_dataset(classes(tmp_path, files, [0, 1, 0, 1, 0]), fingerprints))


def test_trap_18_uf301_and_uf302_of_a_split_that_is_passed() -> None:
    dataset = balanced(100, groups=tuple(f"patient {i // 10}" for i in range(100)))
    split = Split(train=tuple(range(65)), val=tuple(range(65, 80)), test=tuple(range(80, 100)), notes=(), sha256="")
    found = check_dataset(dataset, made_up(100), split, clusters=[(3, 70), (5, 6)])
    assert only(found, "UF301").files == ("3.png", "70.png")
    finding = only(found, "UF302")
    assert finding.files == tuple(f"{i}.png" for i in range(60, 70))
    assert '1 of 10 groups lie on several sides of the split. The first: "patient 6" (train, val)' in finding.message


def test_trap_18_uf302_groups_across_given_splits() -> None:
    sides = tuple("train" if i < 60 else "test" for i in range(100))
    torn = balanced(100, groups=tuple(f"{i % 7}" for i in range(100)), splits=sides)
    assert len(only(check_dataset(torn, made_up(100)), "UF302").files) == 100
    whole = balanced(100, groups=tuple(f"{i // 20}" for i in range(100)), splits=sides)
    assert check_dataset(whole, made_up(100)) == ()


def test_uf401_imbalance() -> None:
    dataset = classes(Path(), [f"{i}.png" for i in range(240)], [int(i < 40) for i in range(240)])
    finding = only(check_dataset(dataset, made_up(240)), "UF401")
    assert '"cat" has 200 pictures, "dog" 40. Always saying "cat" would be 83% accurate' in finding.message
    assert len(finding.files) == 40
    less = classes(Path(), [f"{i}.png" for i in range(240)], [int(i < 41) for i in range(240)])
    assert check_dataset(less, made_up(240)) == ()


def test_uf401_rare_and_common_labels() -> None:
    targets = np.zeros((1000, 3))
    targets[:40, 0] = 1  # 4%
    targets[:960, 1] = 1  # 96%
    targets[::2, 2] = 1
    dataset = Dataset(Path(), tuple(f"{i}.png" for i in range(1000)), "multilabel", ("a", "b", "c"), targets)
    found = check_dataset(dataset, made_up(1000))
    assert codes(found) == ["UF401"]
    assert '"a" (4.0%), "b" (96.0%)' in found[0].message
    assert len(found[0].files) == 80


def test_uf402_too_few_pictures() -> None:
    n = 4 * MIN_PICTURES
    dataset = classes(Path(), [f"{i}.png" for i in range(n)], [int(i < MIN_PICTURES - 1) for i in range(n)])
    finding = only(check_dataset(dataset, made_up(n)), "UF402")
    assert 'of 1 of 2 classes: "dog" (19)' in finding.message
    assert len(finding.files) == MIN_PICTURES - 1
    values = Dataset(Path(), ("0.png", "1.png"), "regression", ("age",), np.array([[1.0], [2.0]]))
    assert codes(check_dataset(values, made_up(2))) == ["UF404", "UF402"]


def test_uf404_what_a_training_would_stop_at_is_an_error() -> None:
    dataset = classes(Path(), [f"{i}.png" for i in range(40)], [int(i < 2) for i in range(40)])
    found = only(check_dataset(dataset, made_up(40)), "UF404")
    assert found.severity == "error"
    with pytest.raises(DataError) as caught:
        check_trainable(dataset)
    assert found.message == str(caught.value)


def test_uf403_nothing_to_tell_apart() -> None:
    one = classes(Path(), [f"{i}.png" for i in range(50)], [1] * 50)
    found = check_dataset(one, made_up(50))
    assert codes(found) == ["UF403"]
    assert 'All 50 readable pictures are of "dog"' in found[0].message
    flat = Dataset(Path(), one.files, "multilabel", ("a", "b"), np.array([[0, i % 2] for i in range(50)]))
    assert "all 50 readable pictures: a." in only(check_dataset(flat, made_up(50)), "UF403").message


def test_uf403_where_no_picture_is_readable() -> None:
    found = check_dataset(balanced(3), made_up(3, error="damaged"))
    assert codes(found) == ["UF101", "UF403"]


def modes(n: int, grey: Sequence[bool]) -> list[Fingerprint]:
    return [replace(f, mode="L" if is_grey else "RGB") for f, is_grey in zip(made_up(n), grey, strict=True)]


def test_trap_17_uf501_a_channel_mode_that_predicts_the_label() -> None:
    dataset = balanced(100)
    leaking = modes(100, [i % 2 == 0 and i > 20 for i in range(100)])
    finding = only(check_dataset(dataset, leaking), "UF501")
    assert "L: cat 39; RGB: dog 50, cat 11." in finding.message
    assert "against 50%" in finding.message
    assert len(finding.files) == 39
    assert check_dataset(dataset, modes(100, [i % 4 < 2 for i in range(100)])) == ()


def test_trap_17_uf501_is_not_a_matter_of_few_pictures() -> None:
    assert "UF501" not in codes(check_dataset(balanced(8), modes(8, [i in {0, 2, 4} for i in range(8)])))


def test_uf501_of_one_of_several_labels_and_of_values() -> None:
    files = tuple(f"{i}.png" for i in range(200))
    grey = [i < 80 for i in range(200)]
    labels = np.array([[i % 2, i < 80] for i in range(200)])
    several = Dataset(Path(), files, "multilabel", ("a", "b"), labels)
    assert 'predicts "b"' in only(check_dataset(several, modes(200, grey)), "UF501").message
    ages = Dataset(Path(), files, "regression", ("age",), np.arange(200.0)[:, None])
    assert 'predicts "age"' in only(check_dataset(ages, modes(200, grey)), "UF501").message


def test_uf502_sizes_that_predict_the_label() -> None:
    dataset = balanced(200)
    sized = [replace(f, size=(64, 64 + 32 * (i % 2))) for i, f in enumerate(made_up(200))]
    assert "The size predicts the label" in only(check_dataset(dataset, sized), "UF502").message
    rng = np.random.default_rng(0)
    larger = [
        replace(f, size=(int(s := rng.integers(200, 400) * (1 + i % 2)), int(s))) for i, f in enumerate(made_up(200))
    ]
    assert "number of pixels predicts" in only(check_dataset(dataset, larger), "UF502").message
    any_size = [replace(f, size=tuple(rng.integers(200, 400, 2).tolist())) for f in made_up(200)]
    assert check_dataset(dataset, any_size) == ()


def test_uf503_formats_that_predict_the_label() -> None:
    leaking = [replace(f, format=("PNG", "JPEG")[i % 2]) for i, f in enumerate(made_up(200))]
    assert codes(check_dataset(balanced(200), leaking)) == ["UF503"]


def test_findings_come_gravest_first_and_are_the_same_again(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.png": picture(0), "b.jpg": picture(0), "c.png": picture(0), "d.png": picture(3)})
    (tmp_path / "d.png").write_bytes(b"nothing")
    dataset, fingerprints = classes(tmp_path, files, [0, 1, 1, 0]), scan(tmp_path, files)
    found = check_dataset(dataset, fingerprints)
    order = ["error", "warning", "info"]
    assert [order.index(finding.severity) for finding in found] == sorted(order.index(f.severity) for f in found)
    assert found == check_dataset(dataset, fingerprints)
    assert all(set(finding.files) <= set(files) for finding in found)


def features_of(labels: np.ndarray) -> np.ndarray:
    """Features in which the classes 0 and 1 lie apart."""
    return np.random.default_rng(0).normal(size=(len(labels), 60)) + 3 * np.repeat(np.eye(2), 30, axis=1)[labels]


def test_uf303_pictures_on_several_sides_that_look_nearly_the_same_to_a_network() -> None:
    dataset = balanced(100, splits=tuple("train" if i < 60 else "test" for i in range(100)))
    features = features_of(dataset.targets)
    assert "UF303" not in codes(check_dataset(dataset, made_up(100), features=features))
    features[90] = features[2] + 0.01
    assert only(check_dataset(dataset, made_up(100), features=features), "UF303").files == ("90.png", "2.png")


def test_uf601_labels_that_pictures_like_them_contradict() -> None:
    dataset = balanced(100)
    features = features_of(dataset.targets)
    assert "UF601" not in codes(check_dataset(dataset, made_up(100), features=features))
    features[7] = features_of(np.zeros(100, dtype=int))[7]
    finding = only(check_dataset(dataset, made_up(100), features=features), "UF601")
    assert finding.files == ("7.png",)
    assert '"7.png" is given as dog, looks like cat' in finding.message


def test_every_code_is_raised_by_a_test_of_this_file() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in CODES if f"test_{code.lower()}" not in source and f"_{code.lower()}_" not in source] == []


def test_bias_corrected_cramers_v() -> None:
    assert cramers_v(np.array([[30, 0, 0], [0, 30, 0], [0, 0, 30]])) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    all_different = np.eye(100, dtype=int)[:, :1] * 0 + np.stack([b := rng.integers(0, 2, 100), 1 - b], axis=1)
    assert cramers_v(all_different) == 0.0  # a category for every picture tells nothing
    assert cramers_v(np.array([[5, 5]])) == 0.0


# -- real pictures


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_trap_17_the_channel_mode_of_the_brain_scans_predicts_their_class() -> None:
    dataset = open_dataset(SHARED / "brain_mri")
    found = check_dataset(dataset, scan(dataset.root, dataset.files))
    finding = only(found, "UF501")
    assert "notumor 195" in finding.message
    assert "UF201" in codes(found)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_nothing_is_found_in_the_trash_photos() -> None:
    dataset = open_dataset(SHARED / "trashnet")
    assert check_dataset(dataset, scan(dataset.root, dataset.files)) == ()
