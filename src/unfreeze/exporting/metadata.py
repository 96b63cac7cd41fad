"""What an exported file says about itself: texts by name, structured ones as JSON."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from unfreeze.backbones.network import spec_of
from unfreeze.data.views import least_size
from unfreeze.exporting.deployment import INPUT, output_names
from unfreeze.version import __version__

if TYPE_CHECKING:
    from unfreeze.data import InputSpec
    from unfreeze.records import ModelRecord, TaskName, WeightsRecord

__all__ = ["describe_network", "describe_state_dict"]

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
PLAIN_OUTPUTS = {
    "logits": "neither calibrated nor corrected for a balanced training: see `use`",
    "standardised": "less `target_mean`, over `target_std`: see `use`",
}
CONFORMAL = {
    "classification": "a class belongs to the prediction set if its probability is at least 1 - threshold, and the "
    "predicted class always does",
    "regression": "the interval reaches from value - threshold to value + threshold, for each target its own",
}


def describe_network(record: ModelRecord, *, any_size: bool, weights_sha256: str) -> dict[str, str]:
    """Return all that a user of a file with a deployment in it needs to know, without the run.

    Args:
        record: the network's.
        any_size: whether the file resizes pictures itself.
        weights_sha256: of the run's model.safetensors.
    """
    spec = spec_of(record)
    height, width = spec.size
    described = {
        "name": INPUT,
        "layout": "NCHW",
        "dtype": "uint8",
        "height": "any" if any_size else height,
        "width": "any" if any_size else width,
        "resizing": "inside" if any_size else "outside",
        "normalisation": _normalisation(spec, "inside"),
    }
    return _texts(
        record,
        weights_sha256,
        input=described | _preparation(spec),
        outputs={name: OUTPUTS[record.task][name] for name in output_names(record.task)},
    )


def describe_state_dict(record: ModelRecord, *, weights_sha256: str) -> dict[str, str]:
    """Return all that a user of the bare weights needs to know: what belongs around timm's network, before and after.

    `use` has a formula for each of what a deployment gives, of the network's output and of other texts here.

    Args:
        record: the network's.
        weights_sha256: of the run's model.safetensors.
    """
    spec = spec_of(record)
    height, width = spec.size
    described = {
        "layout": "NCHW",
        "dtype": "float32",
        "height": height,
        "width": width,
        "resizing": "outside",
        "normalisation": _normalisation(spec, "outside"),
    }
    output = "standardised" if record.task == "regression" else "logits"
    return _texts(
        record,
        weights_sha256,
        input=described | _preparation(spec),
        outputs={output: f"float32 (B, n): in the order of `classes`; {PLAIN_OUTPUTS[output]}"},
        target_mean=record.target_mean,
        target_std=record.target_std,
        use=_formulas(record),
    )


def _texts(record: ModelRecord, weights_sha256: str, **more: Any) -> dict[str, str]:
    """Return what all files say, and more, as texts."""
    structured: dict[str, Any] = {
        "classes": record.outputs,
        **more,
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


def _preparation(spec: InputSpec) -> dict[str, Any]:
    """Describe how a picture is brought to the network's size."""
    height, width = least_size(spec, "none")
    return {
        "colour": "RGB, upright, opacity composited on white",
        "network_size": spec.size,
        "interpolation": spec.interpolation,
        "antialias": spec.interpolation != "nearest",
        "crop": spec.crop,
        "crop_pct": spec.crop_pct,
        "depth_range": spec.depth_range,
        "jpeg": f"training decodes a JPEG at 1/2, 1/4 or 1/8 while that leaves at least {2 * width}x{2 * height} px",
    }


def _normalisation(spec: InputSpec, where: str) -> dict[str, Any]:
    return {"where": where, "mean": spec.mean, "std": spec.std, "of": "values in 0..1"}


def _formulas(record: ModelRecord) -> dict[str, str]:
    """Return how what a user reads follows from the output of timm's network: a formula by name."""
    if record.task == "regression":
        return {"values": "standardised * target_std + target_mean"}
    calibrated = "logits / temperature" + ("" if record.prior_shift is None else " + prior_shift")
    if record.task == "classification":
        return {"probabilities": f"softmax({calibrated})", "prediction": "argmax(logits)"}
    return {"probabilities": f"sigmoid({calibrated})", "prediction": "logits >= 0"}


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
