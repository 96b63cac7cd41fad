"""Which engines to try, in which order: a decision on facts, without opening any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from unfreeze.engines.engine import EngineName

__all__ = ["LEAST_PICTURES_TO_COMPILE", "choose_engines"]

# torch.compile takes the better part of a minute; a GPU does about so many pictures meanwhile without it.
LEAST_PICTURES_TO_COMPILE = 50_000


def choose_engines(
    engine: Literal["auto"] | EngineName, *, device: str, has_openvino: bool, n_images: int | None = None
) -> tuple[EngineName, ...]:
    """Return the engines to try, the preferred one first and always `eager` last.

    Args:
        engine: what was asked for; `auto` takes the fastest that is worth its preparation.
        device: the type of the device that PyTorch computes on, as "cpu" or "cuda".
        has_openvino: whether OpenVINO is installed.
        n_images: how many pictures are to be computed, views counted; None: not known, many.

    Example:
        >>> choose_engines("auto", device="cpu", has_openvino=True)
        ('openvino', 'eager')
        >>> choose_engines("auto", device="cuda", has_openvino=True, n_images=800)
        ('eager',)
    """
    if engine == "auto":
        worth_compiling = n_images is None or n_images >= LEAST_PICTURES_TO_COMPILE
        if device == "cpu" and has_openvino:
            return ("openvino", "eager")
        if device == "cuda" and worth_compiling:
            return ("compile", "eager")
        return ("eager",)
    return (engine,) if engine == "eager" else (engine, "eager")
