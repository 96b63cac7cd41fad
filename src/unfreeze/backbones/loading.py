"""Networks in: pretrained, from a file, from a run, or with random weights for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from unfreeze.backbones.building import build_backbone, build_meta, count_features, native_size
from unfreeze.backbones.bundled import BUNDLED, bundled_file
from unfreeze.backbones.depths import join_depths
from unfreeze.backbones.heads import Head, make_head
from unfreeze.backbones.hub import load_timm
from unfreeze.backbones.naming import check_model_name, plain_name, pretrained_settings
from unfreeze.backbones.network import Network
from unfreeze.backbones.saving import MODEL_FILE, TENSORS_FILE
from unfreeze.backbones.weights import load_tensors, read_tensors, sha256_of
from unfreeze.data import InputSpec
from unfreeze.errors import ConfigError, raise_together
from unfreeze.layers import Layers
from unfreeze.records import FeatureSource, ModelRecord, TaskName, WeightsRecord, read_json

__all__ = ["input_spec", "load_network", "model_layers", "run_of"]

Size = int | tuple[int, int] | None


def load_network(
    name: str,
    *,
    task: TaskName,
    outputs: Sequence[str],
    hidden: int | None = None,
    features: FeatureSource = "last",
    size: Size = None,
    weights: str | Path | None = None,
    pretrained: bool = True,
    seed: int = 0,
    target_mean: Sequence[float] | None = None,
    target_std: Sequence[float] | None = None,
    depth_range: tuple[float, float] | None = None,
    prior_shift: Sequence[float] | None = None,
) -> Network:
    """Load a pretrained network with a new head, in inference mode on the CPU.

    Args:
        name: a timm name, in any spelling.
        task: what the head is for.
        outputs: class names, label names or target columns.
        hidden: units of a hidden layer in the head; None: a linear head.
        features: what the head reads: "last", the backbone's features, or "stages", also the pooled outputs of all
            its stages (see `join_depths`).
        size: pixels of the (square) input, or (height, width); None: the native size.
        weights: a file with the backbone's weights instead of the pretrained ones. That of a run brings the run's
            head too, if it has the same task, outputs and hidden layer.
        pretrained: False: random weights, drawn from `seed`.
        seed: of the head's weights; torch's global random state is neither read nor changed.
        target_mean: regression: of the targets in training, in their own units; outputs are standardised inside.
        target_std: regression: the targets' standard deviation.
        depth_range: what became 0 and 255 in pictures of more than 8 bits.
        prior_shift: what class weights or balanced sampling took from the logits, one value per output.

    Raises:
        ConfigError: settings that contradict each other or are out of range; all are reported together.
        ModelError: an unknown network, or one that cannot take this size.
        WeightsError: weights that are out of reach, damaged, or do not fit.
    """
    wanted = _Wanted(
        task=task,
        outputs=tuple(outputs),
        hidden=hidden,
        features=features,
        target_mean=_floats(target_mean),
        target_std=_floats(target_std),
        prior_shift=_floats(prior_shift),
    )
    problems = [*wanted.problems(), *_size_problems(size)]
    if weights is not None and not pretrained:
        problems.append("Weights from a file and random weights (pretrained=False) contradict each other; give one.")
    raise_together(problems, ConfigError)
    name = check_model_name(name)
    pixels = _pixels(name, size)
    loaded = _load_backbone(name, pixels, weights=weights, pretrained=pretrained, seed=seed)
    if features == "stages":
        join_depths(loaded.backbone, size=pixels)
    n_features = count_features(loaded.backbone, name, pixels)
    head = make_head(n_features, n_outputs=len(wanted.outputs), hidden=hidden, seed=seed)
    notes = loaded.notes
    run = run_of(weights)
    if run is not None and wanted.has_head_of(read_json(run / MODEL_FILE, ModelRecord)):
        _load_head(head, run / TENSORS_FILE)
        notes = (f'The head of the run "{run}" is kept: it has the same task and outputs.',)
    record = wanted.record(name, pixels, (loaded.backbone, head), loaded.record, depth_range=depth_range)
    return Network(loaded.backbone, head, record=record, notes=notes).eval()


def input_spec(name: str, *, size: Size = None) -> InputSpec:
    """Return the input that a network will want, before it is loaded and before any picture has been read.

    Raises:
        ConfigError: a size is out of range.
        ModelError: an unknown network.
    """
    raise_together(_size_problems(size), ConfigError)
    name = check_model_name(name)
    return InputSpec(size=_pixels(name, size), **_preprocessing(name))


def model_layers(
    name: str,
    *,
    size: Size = None,
    hidden: int | None = None,
    features: FeatureSource = "last",
    n_outputs: int = 2,
) -> Layers:
    """Return the layers that `load_network` would give, without loading or drawing any weights.

    Raises:
        ConfigError: a size is out of range.
        ModelError: an unknown network, or one that cannot take this size.

    >>> [stage.name for stage in model_layers("resnet18").stages]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head']
    """
    raise_together(_size_problems(size), ConfigError)
    name = check_model_name(name)
    pixels = _pixels(name, size)
    backbone = build_meta(name, pixels)
    if features == "stages":
        join_depths(backbone, size=pixels)
    head = make_head(count_features(backbone, name, pixels), n_outputs=n_outputs, hidden=hidden)
    wanted = _Wanted(task="classification", outputs=tuple(map(str, range(n_outputs))), hidden=hidden)
    record = wanted.record(name, pixels, (backbone, head), WeightsRecord(kind="random", source="none"))
    return Network(backbone, head, record=record).layers


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """The settings of a network that its head and its record are made from."""

    task: TaskName
    outputs: tuple[str, ...]
    hidden: int | None = None
    features: FeatureSource = "last"
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None
    prior_shift: tuple[float, ...] | None = None

    def problems(self) -> list[str]:
        """Return everything that cannot be, one sentence each."""
        found = []
        n_least = 2 if self.task == "classification" else 1
        if len(self.outputs) < n_least:
            found.append(f"A head for {self.task} needs at least {n_least} outputs, but got {list(self.outputs)}.")
        if len(set(self.outputs)) != len(self.outputs):
            found.append(f"The names of outputs must differ, but got {list(self.outputs)}.")
        if self.hidden is not None and self.hidden < 1:
            found.append(f"hidden must be at least 1 unit, but got {self.hidden}; leave it out for a linear head.")
        for what in ("target_mean", "target_std"):
            values = getattr(self, what)
            if values is not None and self.task != "regression":
                found.append(f"{what} is for regression, but the task is {self.task}; leave it out.")
        for what in ("target_mean", "target_std", "prior_shift"):
            values = getattr(self, what)
            if values is not None and len(values) != len(self.outputs):
                found.append(f"{what} needs {len(self.outputs)} values, one per output, but got {len(values)}.")
        if self.target_std is not None and min(self.target_std, default=1.0) <= 0:
            found.append(f"target_std must be above 0, but got {list(self.target_std)}.")
        return found

    def has_head_of(self, other: ModelRecord) -> bool:
        """Tell whether another network's head means the same outputs in the same units."""
        return (self.task, self.outputs, self.hidden, self.features, self.target_mean, self.target_std) == (
            other.task, other.outputs, other.hidden, other.features, other.target_mean, other.target_std,
        )  # fmt: skip

    def record(
        self,
        name: str,
        size: tuple[int, int],
        parts: tuple[nn.Module, Head],
        weights: WeightsRecord,
        *,
        depth_range: tuple[float, float] | None = None,
    ) -> ModelRecord:
        """Return the record of the network with these parts."""
        return ModelRecord(
            architecture=name,
            task=self.task,
            outputs=self.outputs,
            hidden=self.hidden,
            features=self.features,
            size=size,
            **_preprocessing(name),
            depth_range=depth_range,
            target_mean=self.target_mean,
            target_std=self.target_std,
            prior_shift=self.prior_shift,
            n_parameters=sum(p.numel() for part in parts for p in part.parameters()),
            weights=weights,
        )


@dataclass(frozen=True)
class _Loaded:
    backbone: nn.Module
    record: WeightsRecord
    notes: tuple[str, ...] = ()


def _load_backbone(
    name: str, size: tuple[int, int], *, weights: str | Path | None, pretrained: bool, seed: int
) -> _Loaded:
    """Build a backbone with its weights: a file's or a run's, random, bundled, or timm's."""
    if weights is not None:
        run = run_of(weights)
        record = WeightsRecord(kind="file" if run is None else "run", source=str(weights if run is None else run))
        return _from_file(name, size, Path(weights), record)
    if not pretrained:
        return _Loaded(build_backbone(name, size, seed=seed), WeightsRecord(kind="random", source=f"seed {seed}"))
    bundled = BUNDLED.get(plain_name(name))
    if bundled is not None:
        record = WeightsRecord(kind="bundled", source=bundled.package, licence=bundled.licence)
        loaded = _from_file(name, size, bundled_file(plain_name(name)), record)
        return _Loaded(loaded.backbone, loaded.record)  # without notes: how it fits is known
    return _Loaded(*load_timm(name, size))


def _from_file(name: str, size: tuple[int, int], path: Path, record: WeightsRecord) -> _Loaded:
    tensors = read_tensors(path)  # before the network is built: a wrong path is told at once
    backbone = build_backbone(name, size)
    notes = load_tensors(backbone, tensors, source=path.name)
    known = WeightsRecord(kind=record.kind, source=record.source, sha256=sha256_of(path), licence=record.licence)
    return _Loaded(backbone, known, notes)


def run_of(weights: str | Path | None) -> Path | None:
    """Return the directory of the run that a weights file belongs to, if it does."""
    if weights is None or Path(weights).name != TENSORS_FILE:
        return None
    directory = Path(weights).parent
    return directory if (directory / MODEL_FILE).is_file() else None


def _load_head(head: Head, path: Path) -> None:
    prefix = "head."
    head.load_state_dict({n.removeprefix(prefix): t for n, t in read_tensors(path).items() if n.startswith(prefix)})


def _preprocessing(name: str) -> dict[str, Any]:
    """Return how pictures are brought to a network: as its weights were trained, the whole picture in view."""
    settings = pretrained_settings(name)
    interpolation = settings.get("interpolation")
    return {
        "mean": tuple(settings.get("mean") or (0.485, 0.456, 0.406)),
        "std": tuple(settings.get("std") or (0.229, 0.224, 0.225)),
        "interpolation": interpolation if interpolation in {"bilinear", "nearest"} else "bicubic",
        "crop": "squash",
    }


def _pixels(name: str, size: Size) -> tuple[int, int]:
    native = native_size(name)
    return native if size is None else (size, size) if isinstance(size, int) else size


def _size_problems(size: Size) -> list[str]:
    sides = () if size is None else (size,) if isinstance(size, int) else size
    return [f"size must be at least 1 pixel, but got {size}."] if any(side < 1 for side in sides) else []


def _floats(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
