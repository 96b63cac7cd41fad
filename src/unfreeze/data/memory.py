"""Evaluation views that were made once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from unfreeze.data.spec import InputSpec

__all__ = ["ViewMemory"]

N_CHANNELS = 3


class ViewMemory:
    """Evaluation views that were made once, kept up to `max_bytes` (1 GiB: 7,000 views of 224 px).

    Pass the same object to `scan` and to every call of `batches`; pictures that fit are then decoded once only.
    What does not fit any more is decoded each time; nothing is thrown out for it, since every epoch asks for every
    picture. The files must not change while it lives.
    """

    def __init__(self, *, max_bytes: int = 1 << 30) -> None:
        self._max_bytes = max_bytes
        self._views: dict[tuple[str, InputSpec], torch.Tensor] = {}
        self._views_of_8_bits: dict[tuple[str, InputSpec], torch.Tensor] = {}
        self._lock = threading.Lock()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """How many bytes are kept now."""
        return self._n_bytes

    def clear(self) -> None:
        """Forget all views."""
        with self._lock:
            self._views.clear()
            self._views_of_8_bits.clear()
            self._n_bytes = 0

    def has_room(self, spec: InputSpec) -> bool:
        """Say whether one more view of this input fits."""
        return self._n_bytes + N_CHANNELS * spec.size[0] * spec.size[1] <= self._max_bytes

    def get(self, path: str, spec: InputSpec) -> torch.Tensor | None:
        """Return the kept view of a file, or None."""
        kept = self._views.get((path, spec))
        return kept if kept is not None else self._views_of_8_bits.get((path, replace(spec, depth_range=None)))

    def keep(self, path: str, spec: InputSpec, view: torch.Tensor, *, of_8_bits: bool = False) -> None:
        """Keep a view if there is room for it.

        Args:
            path: the picture's file.
            spec: what the view was made for.
            view: uint8, (3, height, width); it must not be changed any more.
            of_8_bits: the picture has 8 bits, so that its view is the same whatever `spec.depth_range` is.
        """
        views, spec = (self._views_of_8_bits, replace(spec, depth_range=None)) if of_8_bits else (self._views, spec)
        with self._lock:
            if (path, spec) not in views and self._n_bytes + view.nbytes <= self._max_bytes:
                views[path, spec] = view
                self._n_bytes += view.nbytes
