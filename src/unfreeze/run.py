"""`Run`: what a training leaves behind, and what can be done with it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from unfreeze.keywords import checked_names
from unfreeze.records import LayerRecord, Metrics, ModelRecord, RunMetrics, RunRecord, TrainOptions, read_json

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.evaluation import Prediction
    from unfreeze.exporting import Exported, FormatName
    from unfreeze.predicting import Predictor
    from unfreeze.serving import Limits
    from unfreeze.training.progress import Progress

__all__ = ["Evaluation", "Run"]

EVALUATE_OPTIONS = ("target", "group", "split", "skip_unreadable", "batch_size")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a network is on labelled pictures, of which there are `n_images`."""

    n_images: int
    metrics: Metrics
    notes: tuple[str, ...] = ()


class Run:
    """A finished run, read from its directory; the network loads when it is first needed.

    Args:
        path: the run directory.

    Raises:
        RunError: the directory is missing, unfinished, or not readable as a run.
    """

    def __init__(self, path: str | Path) -> None:
        from unfreeze.training.directory import read_finished

        self.path = Path(path)
        self.record: RunRecord = read_finished(self.path)

    def __repr__(self) -> str:
        name = self.record.primary_metric
        test = self.metrics.test.get(name)
        shown = "" if test is None or test.value is None else f", test {name} {test.value:.3f}"
        return f"Run({str(self.path)!r}, {self.record.config.strategy}{shown})"

    @property
    def metrics(self) -> RunMetrics:
        """The metrics on validation and test, each with its 95% interval."""
        return self.record.metrics

    @functools.cached_property
    def layers(self) -> tuple[LayerRecord, ...]:
        """What each phase did to each layer group."""
        return read_json(self.path / "layers.json", tuple[LayerRecord, ...])

    @functools.cached_property
    def model(self) -> Network:
        """The fine-tuned network, in evaluation mode; it takes uint8 images `(b, 3, h, w)`."""
        from unfreeze.backbones import rebuild

        record = read_json(self.path / "model.json", ModelRecord)
        return rebuild(record, self.path / "model.safetensors").eval()

    def predict(self, paths: str | Path | Iterable[str | Path], *, batch_size: int = 32) -> list[Prediction]:
        """Predict pictures: files, folders (searched through) and globs.

        A picture that cannot be read is reported in its `Prediction.error`. For more pictures than predictions fit
        into memory there is `unfreeze.predicting`, which the command line uses.

        Raises:
            ConfigError: a batch size below 1.
            DataError: a path does not exist, or there is no picture among them.
        """
        from unfreeze.predicting import PictureFiles

        files = PictureFiles([paths] if isinstance(paths, str | Path) else paths)
        return list(self._predictor.stream(files, batch_size=batch_size))

    def evaluate(self, data: str | Path, *, progress: Progress | None = None, **options: Any) -> Evaluation:
        """Evaluate on other labelled pictures.

        Args:
            data: a folder of class folders, or a table.
            progress: told what happens.
            **options: of `TrainOptions`, those that say how to read data: target, group, split, skip_unreadable,
                batch_size. What is left out is the run's own; its group and split only where they fit the data.

        Raises:
            ConfigError: an option that means nothing here.
            DataError: the pictures have classes, labels or targets that the network does not know.
        """
        from unfreeze.evaluation import evaluate_labelled
        from unfreeze.training import Silent

        changes = checked_names(options, EVALUATE_OPTIONS)
        inherited = frozenset({"target", "group", "split"} - changes.keys())
        settings = msgspec.structs.replace(
            TrainOptions(**changes), **{name: getattr(self.record.config, name) for name in inherited}
        )
        watcher = progress or Silent()
        watcher.stage("Reading pictures")
        n_images, metrics, notes = evaluate_labelled(
            self.model, Path(data), settings, inherited=inherited, seen=self._seen(), scanned=watcher.scanned
        )
        return Evaluation(n_images=n_images, metrics=metrics, notes=notes)

    def export(
        self,
        out: str | Path,
        *,
        format: FormatName,  # noqa: A002 - the option's name
        fixed_input: bool = False,
        pictures: int = 100,
        progress: Progress | None = None,
    ) -> Exported:
        """Write the network as one file that runs without unfreeze, checked on pictures; the same as `unfreeze export`.

        Beside it stand how near it is to this network (`.parity.json`), a script that uses it (`.example.py`), a
        `model_card.md`, and with "torch" a state dict for timm (`.timm.safetensors`), where the head is a plain one.

        Args:
            out: the file: `.onnx`, `.xml` (OpenVINO, its weights in a `.bin` beside it) or `.pt2` (torch.export).
            format: "onnx", "openvino" or "torch".
            fixed_input: leave the resizing to the caller: for engines that want pictures of one size.
            pictures: how many of the run's test and validation pictures to compare on, at most.
            progress: told what happens.

        Raises:
            ConfigError: a format that is unknown or needs a package, or a file that cannot be written there.
            FailedError: the network cannot be converted, or the file does not agree with it; nothing is written.

        Example:
            >>> run = load("runs/photos-head-1")  # doctest: +SKIP
            >>> run.export("photos.onnx", format="onnx").parity.same_pixels.top1_agreement  # doctest: +SKIP
            1.0
        """
        from unfreeze.exporting import ExportRequest, export_network
        from unfreeze.training import Silent

        request = ExportRequest(format=format, out=Path(out), fixed_input=fixed_input, n_pictures=pictures)
        return export_network(self.model, self.path, request, stage=(progress or Silent()).stage)

    def report(self) -> Path:
        """Write report.html and methods.txt anew from what the run left behind; return the report's path."""
        from unfreeze.reporting import write_methods, write_report

        write_methods(self.path)
        return write_report(self.path)

    def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        also_known_as: Sequence[str] = (),
        limits: Limits | None = None,
        engine: Literal["auto", "openvino", "compile", "eager"] = "auto",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        said: Callable[[str], None] | None = None,
    ) -> str:
        """Answer as a web service until SIGINT or SIGTERM; return the address that it had.

        Args:
            host: who can reach it: "127.0.0.1" this machine only, "0.0.0.0" the network.
            port: where to listen; 0 takes any that is free.
            token: what requests must carry as `Authorization: Bearer TOKEN`; None: nothing.
            also_known_as: further names that it is called by, such as a proxy's.
            limits: of what it takes on (`unfreeze.serving.Limits`); None: the defaults.
            engine: what computes.
            device: where.
            said: told where it listens, and what there is to say of that.

        Raises:
            ConfigError: the extra `serve` is not installed, or it cannot listen there.
        """
        from unfreeze.serving.needs import check_extra

        check_extra()
        from unfreeze.serving import serve_run

        return serve_run(
            self.path, host=host, port=port, token=token, also_known_as=also_known_as, limits=limits, engine=engine,
            device=device, said=said,
        )  # fmt: skip

    @functools.cached_property
    def _predictor(self) -> Predictor:
        from unfreeze.predicting import Predictor

        return Predictor.open(self.path)

    def _seen(self) -> frozenset[Path]:
        """Return the pictures that the network was trained or chosen on."""
        path = Path(self.record.data.path)
        root = path.parent if path.is_file() else path
        return frozenset(root / file for file in (*self.record.split["train"], *self.record.split["val"]))
