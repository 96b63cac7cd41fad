"""What an exported file says about itself: texts by name, structured ones as JSON."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from unfreeze.exporting.deployment import INPUT, output_names
from unfreeze.version import __version__

if TYPE_CHECKING:
    from unfreeze.records import ModelRecord, TaskName, WeightsRecord

__all__ = ["describe_network"]

CONTRACT_VERSION = 1
OUTPUTS: dict[TaskName, dict[str, str]] = {
    "classification": {
        "probabilities": "float32 (B, n): of each class, in the order of `classes`; calibrated",
        "prediction": "int64 (B,): the number of the predicted class",
    },
    "multilabel": {
        "probabilities": "float32 (B, n): of each label, in the order of `classes`; calibrated",
        "prediction": "int64 (B, n): 1 where the label is predicted",
    },
    "regression": {"values": "float32 (B, n): of each target, in the order of `classes`, in its units"},
}
CONFORMAL = {
    "classification": "a class belongs to the prediction set if its probability is at least 1 - threshold, and the "
    "predicted class always does",
    "regression": "the interval reaches from value - threshold to value + threshold, for each target its own",
}


def describe_network(record: ModelRecord, *, any_size: bool, weights_sha256: str) -> dict[str, str]:
    """Return all that a user of the file needs to know, without the run.

    Args:
        record: the network's.
        any_size: whether the file resizes pictures itself.
        weights_sha256: of the run's model.safetensors.
    """
    structured: dict[str, Any] = {
        "classes": record.outputs,
        "input": _input(record, any_size=any_size),
        "outputs": {name: OUTPUTS[record.task][name] for name in output_names(record.task)},
        "temperature": record.temperature,
        "prior_shift": record.prior_shift,
        "conformal": None if record.conformal is None else _conformal(record),
        "pretrained_weights": _weights(record.weights),
    }
    return {
        "unfreeze_version": __version__,
        "contract_version": str(CONTRACT_VERSION),
        "task": record.task,
        "architecture": record.architecture,
        "weights_sha256": weights_sha256,
        **{name: msgspec.json.encode(value).decode() for name, value in structured.items()},
    }


def _input(record: ModelRecord, *, any_size: bool) -> dict[str, Any]:
    """Describe the pictures that the file takes, and what has to be done with others."""
    height, width = record.size
    return {
        "name": INPUT,
        "layout": "NCHW",
        "dtype": "uint8",
        "colour": "RGB, upright, opacity composited on white",
        "height": "any" if any_size else height,
        "width": "any" if any_size else width,
        "resizing": "inside" if any_size else "outside",
        "network_size": record.size,
        "interpolation": record.interpolation,
        "antialias": record.interpolation != "nearest",
        "crop": record.crop,
        "crop_pct": record.crop_pct,
        "normalisation": {"where": "inside", "mean": record.mean, "std": record.std, "of": "values in 0..1"},
        "depth_range": record.depth_range,
        "jpeg": f"training decodes a JPEG at 1/2, 1/4 or 1/8 while that leaves at least {2 * width}x{2 * height} px",
    }


def _conformal(record: ModelRecord) -> dict[str, Any]:
    assert record.conformal is not None
    return {
        "level": record.conformal.level,
        "thresholds": record.conformal.thresholds,
        "use": CONFORMAL[record.task],
    }


def _weights(weights: WeightsRecord) -> dict[str, Any]:
    """Describe where the pretrained weights came from, without the folders of the machine that trained."""
    source = PurePath(weights.source).name if weights.kind in {"file", "run"} else weights.source
    return {"kind": weights.kind, "source": source, "sha256": weights.sha256, "licence": weights.licence}
