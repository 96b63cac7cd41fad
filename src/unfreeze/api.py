"""The library's verbs: train, load, check, plan; and `Run`, what a training leaves behind.

Every command of the command line is one of these calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from unfreeze.advice_records import read_advice
from unfreeze.errors import ConfigError, InterruptedRunError, did_you_mean, raise_together
from unfreeze.options import flag
from unfreeze.records import LayerRecord, Metrics, ModelRecord, RunMetrics, RunRecord, TaskName, TrainOptions, read_json

if TYPE_CHECKING:
    from unfreeze.auditing import CachedFeatures, Finding
    from unfreeze.backbones import Network
    from unfreeze.evaluation import Prediction
    from unfreeze.exporting import Exported, FormatName
    from unfreeze.plans import Plan
    from unfreeze.predicting import Predictor
    from unfreeze.serving import Limits
    from unfreeze.training.progress import Progress

__all__ = ["Evaluation", "Run", "check", "checked_names", "load", "plan_for", "train"]

AUTO = "auto"  # the strategy that takes advice first
AUTO_SECONDS = 120.0  # for it
TRAIN_OPTIONS = tuple(TrainOptions.__struct_fields__)
EVALUATE_OPTIONS = ("target", "group", "split", "skip_unreadable", "batch_size")
CHECK_OPTIONS = ("task", "target", "group", "split", "cache", "cache_dir")


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
        from unfreeze.serving import Limits, bind, exposure_note, open_app, open_predictor, run_server, url_of

        bounds = limits or Limits()
        tell = said or (lambda _text: None)
        with bind(host, port) as place:
            url = url_of(place)
            predictor, notes = open_predictor(self.path, engine=engine, device=device)
            app = open_app(
                predictor,
                name=self.path.resolve().name,
                limits=bounds,
                token=token,
                host=host,
                also_known_as=also_known_as,
            )
            for note in (*notes, exposure_note(host, token)):
                if note:
                    tell(f"note: {note}")
            run_server(app, place, bounds, ready=lambda: tell(f"{self.path} is served at {url} (Ctrl-C stops it)"))
            return url

    @functools.cached_property
    def _predictor(self) -> Predictor:
        from unfreeze.predicting import Predictor

        return Predictor.open(self.path)

    def _seen(self) -> frozenset[Path]:
        """Return the pictures that the network was trained or chosen on."""
        path = Path(self.record.data.path)
        root = path.parent if path.is_file() else path
        return frozenset(root / file for file in (*self.record.split["train"], *self.record.split["val"]))


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Run:
    """Fine-tune a pretrained network on labelled pictures; the same as `unfreeze train`.

    Args:
        data: a folder of class folders, or a CSV or Parquet table with a `file` column. Not needed to resume.
        out: the run directory; the next free `runs/<data>-<strategy>-<n>` if left out.
        resume: continue the interrupted run in `out` with its own settings; an option that differs is an error.
        progress: told what happens (`unfreeze.training.progress.Progress`).
        **options: the fields of `unfreeze.records.TrainOptions`.

    Returns:
        The finished run.

    Raises:
        UnfreezeError: with what is wrong and what to do next.

    Example:
        >>> run = train("photos/", model="resnet50", strategy="gradual", epochs=10)  # doctest: +SKIP
        >>> run.metrics.test["accuracy"].value  # doctest: +SKIP
    """
    from unfreeze.training import Silent, resume_run, train_run

    watcher = progress or Silent()
    changes = checked_names(options)
    if resume:
        path = resume_run(_resumed(data, out, changes), progress=watcher)
    else:
        if data is None:
            raise ConfigError("Which pictures? Give a folder of class folders, or a CSV or Parquet table.")
        place = None if out is None else Path(out)
        notes: tuple[str, ...] = ()
        if changes.get("strategy") == AUTO:
            place, changes, notes = _advised(Path(data), place, changes, watcher)
        path = train_run(
            Path(data), TrainOptions(**changes), given=frozenset(changes), out=place, progress=watcher, notes=notes
        )
    run = Run(path)
    run.report()
    return run


def load(path: str | Path) -> Run:
    """Read a finished run from its directory."""
    return Run(path)


def check(data: str | Path, *, progress: Progress | None = None, **options: Any) -> tuple[Finding, ...]:
    """Look for what is wrong with a data set: unreadable, repeated, leaking, imbalanced, mislabelled pictures.

    Where an earlier training has left frozen features of all pictures in the cache, they are looked at too: for
    leaks that hashes miss, and for labels that are probably wrong. Nothing is computed or written for that.

    Returns:
        The findings, the gravest first; empty if nothing was found.

    Raises:
        DataError: there is nothing to check: no pictures, or no labels.
    """
    from unfreeze.auditing import check_dataset, find_features
    from unfreeze.cache import ActivationCache
    from unfreeze.data import open_dataset, scan
    from unfreeze.training import Silent

    settings = TrainOptions(**checked_names(options, CHECK_OPTIONS))
    dataset = open_dataset(data, task=settings.task, target=settings.target, group=settings.group, split=settings.split)
    watcher = progress or Silent()
    for note in dataset.notes:
        watcher.note(note)
    watcher.stage("Reading pictures")
    fingerprints = scan(dataset.root, dataset.files, progress=watcher.scanned)
    found = None
    if settings.cache:
        readable = [each for each in fingerprints if each.error is None]
        found = find_features(ActivationCache(settings.cache_dir), readable)
    watcher.note(_features_note(found, dataset.task) if settings.cache else "The cache was not looked at.")
    return check_dataset(dataset, fingerprints, features=None if found is None else found.values)


def _features_note(found: CachedFeatures | None, task: TaskName) -> str:
    """Say whether a check could look at features, and what it could not do."""
    from unfreeze.auditing import has_cleanlab
    from unfreeze.auditing.suspects import NO_CLEANLAB

    if found is None:
        return (
            "Labels and crops were not checked: that takes frozen features of all pictures, which "
            "`unfreeze train DATA --strategy head` leaves in the cache."
        )
    height, width = found.size
    told = f"Features of {found.model} at {width}×{height} px are in the cache and were looked at."
    return told if task == "regression" or has_cleanlab() else f"{told} {NO_CLEANLAB}"


def plan_for(model: str, **options: Any) -> Plan:
    """Return the plan that a training of this network would follow, without loading weights."""
    from unfreeze.training.inputs import plan_from_options
    from unfreeze.training.settings import architecture_of, settled

    changes = {"model": model, **checked_names(options)}
    if changes.get("lr") == "auto":
        raise ConfigError("--lr auto finds the rate on pictures when a training begins; a plan without any has none.")
    settings = settled(TrainOptions(**changes), frozenset(changes))
    return plan_from_options(settings, n_outputs=2, architecture=architecture_of(settings))


def checked_names(options: Mapping[str, Any], known: Sequence[str] = TRAIN_OPTIONS) -> dict[str, Any]:
    """Return options by name as `TrainOptions` takes them: paths as text, one target as several.

    Raises:
        ConfigError: an option that does not exist, or means nothing here.
    """
    for name in options:
        if name in TRAIN_OPTIONS and name not in known:
            raise ConfigError(f'The option "{name}" means nothing here. Known are: {", ".join(known)}.')
        if name not in known:
            raise ConfigError(f'Unknown option "{name}".{did_you_mean(name, known)}')
    changes = dict(options)
    if "target" in changes:
        given = changes["target"]
        changes["target"] = (given,) if isinstance(given, str) else tuple(given)
    for name in ("model", "weights", "plan", "cache_dir"):
        if isinstance(changes.get(name), Path):
            changes[name] = str(changes[name])
    return changes


def _advised(
    data: Path, out: Path | None, changes: Mapping[str, Any], progress: Progress
) -> tuple[Path, dict[str, Any], tuple[str, ...]]:
    """Take advice; return where the run is to be, the settings that follow the advice, and what its record says of it.

    Raises:
        InterruptedRunError: Ctrl-C; the advice as far as it was known is kept, and nothing is trained.
        UnfreezeError: see `advise_data`, and a run directory that cannot be one.
    """
    from unfreeze.advice import ADVISED, advise_data
    from unfreeze.reporting import write_advice_report
    from unfreeze.training import next_directory
    from unfreeze.training.directory import out_problem

    raise_together([problem for problem in (out and out_problem(out),) if problem])
    said = {name: value for name, value in changes.items() if name != "strategy"}
    directory = next_directory(data, "advice", **({} if out is None else {"parent": out.parent}))
    progress.stage("Taking advice")
    try:
        advise_data(
            data, TrainOptions(**said), given=frozenset(said), budget_seconds=AUTO_SECONDS, out=directory,
            progress=progress,
        )  # fmt: skip
    except InterruptedRunError:  # what was known by then has been written
        write_advice_report(directory)
        raise
    write_advice_report(directory)
    advice = read_advice(directory)
    why = (
        f'Advised in "{directory}": {advice.way} with {advice.model} at {advice.size} px.',
        *(reason.text for reason in advice.reasons),
    )
    progress.note(why[0])
    followed = {name: value for name, value in said.items() if name not in ADVISED}
    return out or next_directory(data, AUTO), {**followed, "plan": str(directory / advice.plan)}, why


def _resumed(data: str | Path | None, out: str | Path | None, changes: Mapping[str, Any]) -> Path:
    """Return the run to resume; raise if the data or an option given differs from the run's own."""
    from unfreeze.training.directory import read_run

    if out is None:
        raise ConfigError("--resume needs --out: the directory of the run to continue.")
    record = read_run(Path(out))
    problems = [
        f"{flag(name)} {value} differs from the run's own {getattr(record.config, name)}; leave it out."
        for name, value in changes.items()
        if value != getattr(record.config, name)
    ]
    problems += _data_problem(data, record)
    if problems:
        raise ConfigError("\n".join(problems))
    return Path(out)


def _data_problem(data: str | Path | None, record: RunRecord) -> Sequence[str]:
    if data is None or Path(data).resolve() == Path(record.data.path).resolve():
        return ()
    return (f'"{data}" differs from the pictures of the run, "{record.data.path}"; leave it out.',)
