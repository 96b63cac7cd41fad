"""Exported files say what the network says that was trained, on pictures as any decoder gives them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from unfreeze.backbones import Network, make_head
from unfreeze.data import make_view
from unfreeze.engines.openvino_core import openvino_core
from unfreeze.errors import FailedError
from unfreeze.exporting import ExportRequest, export_network
from unfreeze.exporting.onnx_file import open_onnx
from unfreeze.exporting.openvino_file import open_openvino
from unfreeze.exporting.parity_record import ParityRecord
from unfreeze.exporting.torch_file import open_torch
from unfreeze.records import read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unfreeze.run import Run

pytestmark = pytest.mark.slow
OPENERS: dict[str, Any] = {"onnx": open_onnx, "openvino": open_openvino, "torch": open_torch}
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
FORMATS = tuple(OPENERS)


def export(run: Run, folder: Path, name: str, **options: Any) -> Any:
    return run.export(folder / f"model{SUFFIXES[name]}", format=name, pictures=6, **options)


def as_batch(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None])


def files_of(run: Run) -> list[Path]:
    from pathlib import Path

    return sorted(Path(run.record.data.path).parent.glob("*.png"))[:4]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_any_format_says_what_predict_says_of_pictures_of_any_size(
    make_run: Callable[..., Run], tmp_path: Path, name: str
) -> None:
    run = make_run()
    done = export(run, tmp_path, name)
    program = OPENERS[name](done.path)
    for expected, file in zip(run.predict(files_of(run)), files_of(run), strict=True):
        probabilities, prediction = program(as_batch(file))
        assert probabilities.dtype == np.float32
        assert prediction.dtype == np.int64
        assert run.record.classes[int(prediction[0])] == expected.prediction
        np.testing.assert_allclose(probabilities[0], list(expected.scores.values()), atol=1e-3)


@pytest.mark.parametrize("name", FORMATS)
def test_a_batch_gives_each_picture_its_own_row(make_run: Callable[..., Run], tmp_path: Path, name: str) -> None:
    run = make_run()
    program = OPENERS[name](export(run, tmp_path, name).path)
    images = np.concatenate([as_batch(file) for file in files_of(run) if as_batch(file).shape[2] == 60])
    together = program(images)[0]
    assert len(together) == len(images) > 1
    for row, image in zip(together, images, strict=True):
        np.testing.assert_allclose(row, program(image[None])[0][0], atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_of_unusual_sizes_are_resized_as_in_training(
    make_run: Callable[..., Run], make_picture: Callable[..., np.ndarray], tmp_path: Path, name: str
) -> None:
    run = make_run()
    program = OPENERS[name](export(run, tmp_path, name).path)
    for size in ((1, 1), (1, 40), (7, 3), (32, 32), (33, 32), (600, 31)):
        image = make_picture(1, seed=3, size=size)
        with torch.inference_mode():
            expected = run.model.scores(make_view(image, run.model.spec)[None]).numpy()
        got = program(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))[0]
        np.testing.assert_allclose(got, expected, atol=1e-3, err_msg=str(size))


@pytest.mark.parametrize("name", FORMATS)
def test_labels_and_values_come_out_as_predict_says_them(
    make_run: Callable[..., Run], tmp_path: Path, name: str
) -> None:
    labels, values = make_run("labels"), make_run("values")
    of_labels = OPENERS[name](export(labels, tmp_path / "labels", name).path)
    of_values = OPENERS[name](export(values, tmp_path / "values", name).path)
    for file in files_of(labels):
        (expected,) = labels.predict(file)
        probabilities, prediction = of_labels(as_batch(file))
        np.testing.assert_allclose(probabilities[0], list(expected.scores.values()), atol=1e-3)
        assert tuple(c for c, on in zip(labels.record.classes, prediction[0], strict=True) if on) == expected.prediction
        (value,) = values.predict(file)
        (got,) = of_values(as_batch(file))
        assert got[0, 0] == pytest.approx(value.prediction, abs=0.05)


def test_a_balanced_training_decides_by_its_own_scores_and_gives_natural_probabilities(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = make_run(balance="weights", hidden=8)
    assert run.model.record.prior_shift is not None
    program = open_onnx(export(run, tmp_path, "onnx").path)
    for file in files_of(run):
        (expected,) = run.predict(file)
        probabilities, prediction = program(as_batch(file))
        np.testing.assert_allclose(probabilities[0], list(expected.scores.values()), atol=1e-3)
        assert run.record.classes[int(prediction[0])] == expected.prediction


@pytest.mark.parametrize("name", FORMATS)
def test_heads_on_all_depths_are_exported(make_run: Callable[..., Run], tmp_path: Path, name: str) -> None:
    done = export(make_run(strategy="head2toe"), tmp_path, name)
    assert done.parity.same_pixels.top1_agreement == 1
    assert done.parity.same_pixels.largest_difference < 1e-3


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("architecture", "size"), [("resnet18", 64), ("test_vit", 160), ("test_convnext", 64)])
def test_other_architectures_are_exported(
    make_run: Callable[..., Run],
    make_network: Callable[..., Network],
    tmp_path: Path,
    name: str,
    architecture: str,
    size: int,
) -> None:
    request = ExportRequest(format=name, out=tmp_path / f"m{SUFFIXES[name]}", n_pictures=3)  # type: ignore[arg-type]
    done = export_network(make_network(architecture, size=size), make_run().path, request)
    assert done.parity.problem is None
    assert done.parity.same_pixels.largest_difference < 1e-3


def test_the_metadata_say_all_that_a_user_needs(make_run: Callable[..., Run], tmp_path: Path) -> None:
    import onnxruntime

    run = make_run(conformal=0.5)
    record = run.model.record
    onnx_file, xml, program = (export(run, tmp_path, name).path for name in FORMATS)
    found = onnxruntime.InferenceSession(str(onnx_file)).get_modelmeta().custom_metadata_map
    model = openvino_core().read_model(xml)
    in_torch = dict.fromkeys(found, "")
    torch.export.load(program, extra_files=in_torch)
    assert {name: model.get_rt_info(["unfreeze", name]).astype(str) for name in found} == found
    assert in_torch == found
    assert found["task"] == "classification"
    assert json.loads(found["classes"]) == list(record.outputs)
    assert json.loads(found["temperature"]) == record.temperature
    assert record.conformal is not None
    assert json.loads(found["conformal"])["thresholds"] == list(record.conformal.thresholds)
    described = json.loads(found["input"])
    assert (described["layout"], described["height"], described["interpolation"]) == ("NCHW", "any", "bicubic")


FREED_BY_ANOTHER_THREAD = """
import signal, sys, threading
from pathlib import Path
from unfreeze.exporting.openvino_file import open_openvino

held = [open_openvino(Path(sys.argv[1]))]
thread = threading.Thread(target=held.clear)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda number, frame: print("handled", flush=True))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_handled_after_another_thread_has_freed_an_opened_file(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    """OpenVINO unmaps the signal stack of the thread that loaded it: see `openvino_core`."""
    done = export(make_run(), tmp_path, "openvino")
    command = [sys.executable, "-c", FREED_BY_ANOTHER_THREAD, str(done.path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (told.returncode, told.stdout) == (0, "handled\n"), told.stderr


@pytest.mark.parametrize("change", [{"crop": "center", "crop_pct": 0.9}, {"interpolation": "nearest"}])
def test_what_graphs_cannot_resize_is_left_to_the_example_script(
    make_run: Callable[..., Run], tmp_path: Path, change: dict[str, Any]
) -> None:
    import msgspec

    run = make_run()
    model = run.model
    network = Network(model.backbone, model.head, record=msgspec.structs.replace(model.record, **change)).eval()
    done = export_network(network, run.path, ExportRequest(format="onnx", out=tmp_path / "model.onnx", n_pictures=6))
    assert done.parity.input == "fixed size"
    assert any("cannot be a part of the file" in note for note in done.notes)
    assert done.parity.file_to_file is not None
    assert done.parity.file_to_file.largest_difference < 5e-3
    with pytest.raises(Exception, match=r"(?i)dimension"):
        open_onnx(done.path)(as_batch(files_of(run)[0]))


class TwoFaced(nn.Module):
    """Features that are others while a graph is made of them."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(2, 3))
        return mean if torch.jit.is_tracing() or torch.compiler.is_compiling() else torch.flip(mean, dims=(1,)) * 5 + 1


class Moody(nn.Module):
    """Features with a branch in Python on the pictures' values, which only a trace survives."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(2, 3))
        return mean if bool((images.amax() == images.amin()).all()) else torch.flip(mean, dims=(1,))


def with_features(features: nn.Module, run: Run) -> Network:
    network = Network(features, make_head(3, n_outputs=3, seed=1), record=run.model.record).eval()
    network.head[0].weight.data.mul_(100)
    return network


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_another_network_is_an_error_and_leaves_nothing(
    make_run: Callable[..., Run], tmp_path: Path, name: Any
) -> None:
    request = ExportRequest(format=name, out=tmp_path / "new" / f"m{SUFFIXES[name]}", n_pictures=4)
    with pytest.raises(FailedError, match="is not the network that was trained: its scores differ by up to"):
        export_network(with_features(TwoFaced(), make_run()), make_run().path, request)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_failed_export_leaves_the_files_of_an_earlier_one_as_they_were(
    make_run: Callable[..., Run], tmp_path: Path, name: Any
) -> None:
    run = make_run()
    done = export(run, tmp_path, name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == set(done.files)
    request = ExportRequest(format=name, out=done.path, n_pictures=4)
    with pytest.raises(FailedError, match="is not the network that was trained"):
        export_network(with_features(TwoFaced(), run), run.path, request)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("name", "others"), [("torch", "onnx or openvino"), ("onnx", "openvino or torch")])
def test_a_network_that_cannot_be_converted_is_an_error_and_leaves_nothing(
    make_run: Callable[..., Run], tmp_path: Path, name: Any, others: str
) -> None:
    request = ExportRequest(format=name, out=tmp_path / f"m{SUFFIXES[name]}", n_pictures=4)
    with pytest.raises(FailedError, match=rf"cannot be exported to {name} .* --format {others}"):
        export_network(with_features(Moody(), make_run()), make_run().path, request)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_left(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))  # type: ignore[attr-defined]
    with pytest.raises(FailedError, match=r"needs about .* MB, and 0 MB are free"):
        export(make_run(), tmp_path / "new", "openvino")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_is_left(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    import resource

    run = make_run()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # bytes of a file: a stand-in for a full disk
    try:
        with pytest.raises(FailedError, match=r"cannot be written: .*Make room or name another place"):
            export(run, tmp_path, "onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_record_tells_how_near_the_file_is_and_on_what(make_run: Callable[..., Run], tmp_path: Path) -> None:
    done = export(make_run(), tmp_path, "onnx")
    record = read_json(tmp_path / "model.onnx.parity.json", ParityRecord)
    assert record == done.parity
    assert record.pictures == "the run's own"
    assert set(record.sizes) == {(60, 48), (90, 120)}
    assert record.same_pixels.n_pictures == 6
    assert record.file_to_file is not None
    assert record.speed.export_ms > 0


def test_generated_pictures_are_compared_where_the_own_ones_are_gone(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    import shutil

    run_dir = tmp_path / "run"
    shutil.copytree(make_run().path, run_dir)
    text = (run_dir / "run.json").read_text(encoding="utf-8")
    (run_dir / "run.json").write_text(text.replace(make_run().record.data.path, "/nowhere/t.csv"), encoding="utf-8")
    import unfreeze as uf

    done = export(uf.load(run_dir), tmp_path / "out", "onnx")
    assert done.parity.pictures == "generated"
    assert done.parity.file_to_file is None
    assert len(done.parity.sizes) > 3
    assert any("are gone" in note for note in done.notes)


def test_an_earlier_file_is_replaced_by_one_that_passed(make_run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")
    export(make_run(), tmp_path, "onnx")
    assert open_onnx(tmp_path / "model.onnx") is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.onnx",
        "model.onnx.example.py",
        "model.onnx.parity.json",
        "model_card.md",
    ]


def test_an_earlier_record_that_cannot_be_read_is_passed_over_with_a_note(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    (tmp_path / "model.onnx.parity.json").write_text("of another version", encoding="utf-8")  # is replaced
    (tmp_path / "other.pt2.parity.json").write_text('{"version": 0}', encoding="utf-8")
    (tmp_path / "third.xml.parity.json").mkdir()
    done = export(make_run(), tmp_path, "onnx")
    assert read_json(tmp_path / "model.onnx.parity.json", ParityRecord) == done.parity
    noted = [note for note in done.notes if "the model card leaves it out" in note]
    assert ["other.pt2" in noted[0], "third.xml" in noted[1], len(noted)] == [True, True, 2]
