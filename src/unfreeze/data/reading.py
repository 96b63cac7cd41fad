"""From a picture file to its views: one decode, at the scale that the views need.

Training, evaluation, prediction and serving all read pictures here, so that the same picture has the same view in
each of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unfreeze.data.decoding import decode, read_bytes
from unfreeze.data.views import check_augment, least_size, make_view
from unfreeze.errors import ImageError, UnfreezeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unfreeze.data.pixels import Pixels
    from unfreeze.data.spec import Augment, InputSpec

__all__ = ["decode_views", "read_views", "views_of"]


def read_views(
    path: Path | str,
    spec: InputSpec,
    *,
    augment: Augment = "none",
    seed: int = 0,
    key: str = "",
    indices: Sequence[int] = (0,),
) -> torch.Tensor:
    """Read one picture file and make views of it, decoding it once.

    A JPEG is decoded at the smallest scale of 1, 1/2, 1/4, 1/8 that leaves every view twice the pixels it needs in
    both directions. The scale follows from picture, spec and augment alone: the evaluation view of a picture is the
    same whatever augment the training used.

    Args:
        path: the file.
        spec: the network's input.
        augment: see `make_view`.
        seed: see `make_view`.
        key: see `make_view`.
        indices: which views.

    Returns:
        uint8, (K, 3, height, width) of `spec.size`, one for each of the indices, contiguous.

    Raises:
        ImageError: the file cannot be read; it names the file.
        ConfigError: no such augment.
    """
    payload = read_bytes(path)
    return decode_views(payload, spec, name=str(path), augment=augment, seed=seed, key=key, indices=indices)


def decode_views(
    payload: bytes,
    spec: InputSpec,
    *,
    name: str,
    augment: Augment = "none",
    seed: int = 0,
    key: str = "",
    indices: Sequence[int] = (0,),
) -> torch.Tensor:
    """Make views of the bytes of one picture file; all else is as in `read_views`.

    Args:
        payload: the file's bytes.
        spec: the network's input.
        name: what an error calls the picture.
        augment: see `make_view`.
        seed: see `make_view`.
        key: see `make_view`.
        indices: which views.
    """
    check_augment(augment)
    pixels = decode(payload, name=name, at_least=least_size(spec, augment))
    return views_of(pixels, spec, augment=augment, seed=seed, key=key, indices=indices)


def views_of(
    pixels: Pixels,
    spec: InputSpec,
    *,
    augment: Augment = "none",
    seed: int = 0,
    key: str = "",
    indices: Sequence[int] = (0,),
) -> torch.Tensor:
    """Make views of decoded pixels; `at_least` was `least_size(spec, augment)`, or gave the same scale.

    Raises:
        ImageError: the picture cannot be brought to 8 bits, or to the spec; it names the file.
    """
    try:
        image = pixels.to_rgb(spec.depth_range)
        views = [make_view(image, spec, augment=augment, seed=seed, key=key, index=index) for index in indices]
    except UnfreezeError:
        raise
    except Exception as error:
        raise ImageError(f'"{pixels.name}" could not be made into a view: {error!r}.') from error
    return views[0][None] if len(views) == 1 else torch.stack(views)
