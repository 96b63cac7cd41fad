from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unfreeze.data.dataset import Dataset
from unfreeze.data.decoding import read_image
from unfreeze.data.loading import batches
from unfreeze.data.memory import ViewMemory
from unfreeze.data.prefetching import N_CHUNKS_AHEAD
from unfreeze.data.reading import read_views
from unfreeze.data.scanning import scan
from unfreeze.data.spec import InputSpec
from unfreeze.data.views import make_view
from unfreeze.errors import ConfigError, ImageError

SPEC = InputSpec(size=(16, 16))
N = 23


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (20 + i, 24, 3), dtype=np.uint8)).save(tmp_path / f"{i:02}.png")
    return Dataset(
        root=tmp_path,
        files=tuple(f"{i:02}.png" for i in range(N)),
        task="classification",
        outputs=("a", "b"),
        targets=np.arange(N) % 2,
    )


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("unfreeze-decode")]


def test_batches_come_in_the_order_asked_for_and_the_last_may_be_smaller(dataset: Dataset) -> None:
    order = np.random.default_rng(1).permutation(N)
    found = list(batches(dataset, order, SPEC, batch_size=5))
    assert [len(batch.images) for batch in found] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(torch.cat([batch.indices for batch in found]).numpy(), order)
    np.testing.assert_array_equal(torch.cat([batch.targets for batch in found]).numpy(), order % 2)
    assert found[0].targets.dtype == torch.int64
    expected = make_view(read_image(dataset.root / dataset.files[order[7]]), SPEC)
    assert torch.equal(found[1].images[2], expected)


def test_trap_25_training_and_prediction_see_the_same_view_of_a_large_jpeg(dataset: Dataset) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    noise.resize((400, 300), Image.Resampling.BICUBIC).save(dataset.root / "large.jpg")
    large = Dataset(
        root=dataset.root,
        files=("large.jpg",),
        task="classification",
        outputs=("a", "b"),
        targets=np.zeros(1),
    )
    memory = ViewMemory()
    scan(large.root, large.files, spec=SPEC, memory=memory)
    (scanned,) = batches(large, [0], SPEC, batch_size=1, memory=memory)
    (decoded,) = batches(large, [0], SPEC, batch_size=1)
    assert torch.equal(decoded.images, read_views(large.root / "large.jpg", SPEC))
    assert torch.equal(scanned.images, decoded.images)
    (varied,) = batches(large, [0], SPEC, batch_size=1, augment="standard", seed=2, view=5)
    expected = read_views(large.root / "large.jpg", SPEC, augment="standard", seed=2, key="large.jpg", indices=(5,))
    assert torch.equal(varied.images, expected)


def test_a_scan_spares_decoding_in_the_first_epoch(dataset: Dataset) -> None:
    memory = ViewMemory()
    without = list(batches(dataset, range(N), SPEC, batch_size=5))
    scan(dataset.root, dataset.files, spec=SPEC, memory=memory)
    for file in dataset.files:
        (dataset.root / file).unlink()
    found = list(batches(dataset, range(N), SPEC, batch_size=5, memory=memory))
    assert all(torch.equal(a.images, b.images) for a, b in zip(found, without, strict=True))


def test_targets_of_labels_and_units_are_float32(dataset: Dataset) -> None:
    units = np.linspace(0, 1, 2 * N).reshape(N, 2)
    several = Dataset(
        root=dataset.root, files=dataset.files, task="regression", outputs=("x", "y"), targets=units.astype(np.float32)
    )
    (batch,) = batches(several, [4, 2], SPEC, batch_size=8)
    assert batch.targets.dtype == torch.float32
    np.testing.assert_allclose(batch.targets.numpy(), units[[4, 2]], rtol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 2, 9])
def test_batches_are_the_same_for_any_number_of_threads(dataset: Dataset, n_threads: int) -> None:
    options = {"batch_size": 4, "augment": "standard", "seed": 3, "view": 2}
    found = list(batches(dataset, range(N), SPEC, n_threads=n_threads, **options))
    image = read_image(dataset.root / dataset.files[9])
    expected = make_view(image, SPEC, augment="standard", seed=3, key=dataset.files[9], index=2)
    assert torch.equal(found[2].images[1], expected)


def test_skipped_batches_are_not_decoded_and_change_nothing(dataset: Dataset) -> None:
    whole = list(batches(dataset, range(N), SPEC, batch_size=5, augment="light", seed=1))
    for i in range(10):
        (dataset.root / dataset.files[i]).unlink()
    rest = list(batches(dataset, range(N), SPEC, batch_size=5, augment="light", seed=1, skip=2))
    assert len(rest) == 3
    assert all(torch.equal(a.images, b.images) for a, b in zip(whole[2:], rest, strict=True))
    assert list(batches(dataset, range(N), SPEC, batch_size=5, skip=99)) == []


def test_a_picture_may_occur_several_times(dataset: Dataset) -> None:
    (batch,) = batches(dataset, [3, 3, 3], SPEC, batch_size=3)
    assert torch.equal(batch.images[0], batch.images[2])


def test_an_unreadable_picture_is_an_error_in_place_of_its_batch_that_names_the_file(dataset: Dataset) -> None:
    (dataset.root / "07.png").write_bytes(b"no picture")
    stream = batches(dataset, range(N), SPEC, batch_size=5)
    next(stream)
    with pytest.raises(ImageError, match=r"07\.png"):
        next(stream)
    assert decoding_threads() == []


def test_only_a_few_batches_are_decoded_ahead(dataset: Dataset) -> None:
    memory = ViewMemory()
    stream = batches(dataset, range(N), SPEC, batch_size=2, memory=memory)
    next(stream)
    stream.close()
    assert memory.n_bytes <= (N_CHUNKS_AHEAD + 1) * 2 * 3 * 16 * 16


def test_closing_dropping_or_finishing_stops_the_threads(dataset: Dataset) -> None:
    closed = batches(dataset, range(N), SPEC, batch_size=2)
    next(closed)
    assert decoding_threads()
    closed.close()
    assert decoding_threads() == []
    dropped = batches(dataset, range(N), SPEC, batch_size=2)
    next(dropped)
    del dropped
    gc.collect()
    assert decoding_threads() == []
    list(batches(dataset, range(N), SPEC, batch_size=2))
    assert decoding_threads() == []


def test_the_number_of_threads_that_the_training_computes_with_stays_as_it_was(dataset: Dataset) -> None:
    before = torch.get_num_threads()
    list(batches(dataset, range(N), SPEC, batch_size=2, augment="standard"))
    assert torch.get_num_threads() == before
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before


def test_nothing_starts_before_the_first_batch_is_asked_for(dataset: Dataset) -> None:
    stream = batches(dataset, range(N), SPEC, batch_size=2)
    assert decoding_threads() == []
    del stream


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, but got 0"),
        ({"batch_size": 1, "skip": -1}, "skip must be at least 0"),
        ({"batch_size": 1, "n_threads": 0}, "n_threads must be at least 1"),
        ({"batch_size": 1, "augment": "strong"}, "augment must be one of"),
    ],
)
def test_wrong_settings_are_errors_at_once(dataset: Dataset, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        batches(dataset, [0], SPEC, **options)


# -- the memory of evaluation views


def test_a_memory_spares_decoding_again(dataset: Dataset) -> None:
    memory = ViewMemory()
    first = list(batches(dataset, range(N), SPEC, batch_size=5, memory=memory))
    assert memory.n_bytes == N * 3 * 16 * 16
    for file in dataset.files:
        (dataset.root / file).unlink()
    second = list(batches(dataset, range(N), SPEC, batch_size=5, memory=memory))
    assert all(torch.equal(a.images, b.images) for a, b in zip(first, second, strict=True))


def test_a_memory_keeps_to_its_budget_and_the_rest_is_decoded(dataset: Dataset) -> None:
    memory = ViewMemory(max_bytes=4 * 3 * 16 * 16 + 1)
    with_memory = [list(batches(dataset, range(N), SPEC, batch_size=5, memory=memory)) for _ in range(2)]
    assert memory.n_bytes == 4 * 3 * 16 * 16
    without = list(batches(dataset, range(N), SPEC, batch_size=5))
    for epoch in with_memory:
        assert all(torch.equal(a.images, b.images) for a, b in zip(epoch, without, strict=True))


def test_a_memory_tells_specs_apart_and_leaves_varied_views_alone(dataset: Dataset) -> None:
    memory = ViewMemory()
    list(batches(dataset, [0], SPEC, batch_size=1, memory=memory))
    (other,) = batches(dataset, [0], InputSpec(size=(8, 8)), batch_size=1, memory=memory)
    assert other.images.shape == (1, 3, 8, 8)
    kept = memory.n_bytes
    (varied,) = batches(dataset, [0], SPEC, batch_size=1, augment="standard", memory=memory)
    (plain,) = batches(dataset, [0], SPEC, batch_size=1, memory=memory)
    assert memory.n_bytes == kept
    assert not torch.equal(varied.images, plain.images)


def test_changing_a_batch_does_not_change_the_memory_or_the_dataset(dataset: Dataset) -> None:
    memory = ViewMemory()
    (batch,) = batches(dataset, [0, 1], SPEC, batch_size=2, memory=memory)
    before = batch.images.clone()
    batch.images.zero_()
    batch.targets.fill_(9)
    (again,) = batches(dataset, [0, 1], SPEC, batch_size=2, memory=memory)
    assert torch.equal(again.images, before)
    assert again.targets.tolist() == [0, 1]
