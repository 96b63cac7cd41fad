"""The library behind the metrics, loaded before it is needed."""

from __future__ import annotations

import importlib
import threading

__all__ = ["load_ahead"]


def load_ahead() -> None:
    """Begin to load scikit-learn in another thread: it takes a second, in which frozen layers can be computed."""
    threading.Thread(target=importlib.import_module, args=("sklearn.metrics",), daemon=True).start()
