"""What activations depend on, as two hashes: one for all that a pass has in common, one for each row of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unfreeze.data.spec import Augment, InputSpec

__all__ = ["FORMAT_VERSION", "activation_key", "row_key"]

FORMAT_VERSION = 1  # of the files and of the keys; raised when older activations must not be read any more
N_ROW_KEY_DIGITS = 32  # 128 bits: enough that no two rows ever meet, and half the memory


def activation_key(
    spec: InputSpec,
    *,
    augment: Augment,
    recipe_version: int,
    seed: int,
    weights_sha256: str,
    graph: str,
    engine: str,
    precision: str,
    decoder: str = "",
) -> str:
    """Return the name of a pass: a hash of everything that activations depend on beside the picture and its view.

    Keys by path or by the model's name would serve stale activations; this one changes with anything that
    changes a value. For `augment="none"` views do not vary, so that `seed` is left out.

    Args:
        spec: the network's input.
        augment: how views vary.
        recipe_version: of the code that makes views.
        seed: of the views.
        weights_sha256: of the parameters and buffers of the frozen prefix, and of no others.
        graph: the prefix's graph up to the frontier as text, each node with its settings.
        engine: what computes it, with its version where that changes values.
        precision: "fp32", "bf16", ...
        decoder: what turns files into pixels, with its version where that changes values.

    Returns:
        64 hexadecimal digits.
    """
    varied = augment != "none"
    return _sha256(
        {
            "format": FORMAT_VERSION,
            "size": [int(side) for side in spec.size],
            "mean": _floats(spec.mean),
            "std": _floats(spec.std),
            "interpolation": spec.interpolation,
            "crop": spec.crop,
            "crop_pct": _floats((spec.crop_pct,)),
            "depth_range": None if spec.depth_range is None else _floats(spec.depth_range),
            "augment": augment,
            "recipe_version": recipe_version,
            "seed": seed if varied else None,
            "weights": weights_sha256,
            "graph": graph,
            "engine": engine,
            "precision": precision,
            "decoder": decoder,
        }
    )


def row_key(image_sha256: str, *, augment: Augment, view: int, file: str) -> str:
    """Return the name of one row of a pass: a hash of which picture it is, and which view of it.

    A picture is its bytes, so that a copy under another name, or in another data set, is the same row. Only
    where views vary does the file's name count, as the randomness of a view comes from (seed, file, view);
    where they do not, `view` and `file` are left out.

    Returns:
        32 hexadecimal digits.

    >>> row_key("ab" * 32, augment="none", view=3, file="a.jpg") == row_key("ab" * 32, augment="none", view=0, file="b")
    True
    """
    varied = augment != "none"
    parts = {"image": image_sha256, "view": view if varied else None, "file": file if varied else None}
    return _sha256(parts)[:N_ROW_KEY_DIGITS]


def _floats(values: tuple[float, ...]) -> list[str]:
    """Write numbers so that equal ones look equal: 5 and 5.0, 0.0 and -0.0."""
    return [(float(value) + 0.0).hex() for value in values]


def _sha256(fields: Mapping[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
