"""Images and labels in: folders and tables, splits, decoding, views and batches.

The names load their modules when they are first used, so that only those who need torch load it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.data.dataset import (
        Dataset,
        align_outputs,
        check_trainable,
        dataset_fingerprint,
        drop_unreadable,
    )
    from unfreeze.data.decoding import read_image
    from unfreeze.data.listing import IMAGE_EXTENSIONS, find_images
    from unfreeze.data.loading import Batch, ViewMemory, batches
    from unfreeze.data.opening import open_dataset
    from unfreeze.data.ordering import epoch_order
    from unfreeze.data.scanning import Fingerprint, depth_range, near_duplicates, scan
    from unfreeze.data.spec import InputSpec
    from unfreeze.data.split import Split, split_dataset
    from unfreeze.data.views import make_view

__all__ = [
    "IMAGE_EXTENSIONS",
    "Batch",
    "Dataset",
    "Fingerprint",
    "InputSpec",
    "Split",
    "ViewMemory",
    "align_outputs",
    "batches",
    "check_trainable",
    "dataset_fingerprint",
    "depth_range",
    "drop_unreadable",
    "epoch_order",
    "find_images",
    "make_view",
    "near_duplicates",
    "open_dataset",
    "read_image",
    "scan",
    "split_dataset",
]

_MODULE_OF = {
    "IMAGE_EXTENSIONS": "listing",
    "Batch": "loading",
    "Dataset": "dataset",
    "Fingerprint": "scanning",
    "InputSpec": "spec",
    "Split": "split",
    "ViewMemory": "loading",
    "align_outputs": "dataset",
    "batches": "loading",
    "check_trainable": "dataset",
    "dataset_fingerprint": "dataset",
    "depth_range": "scanning",
    "drop_unreadable": "dataset",
    "epoch_order": "ordering",
    "find_images": "listing",
    "make_view": "views",
    "near_duplicates": "scanning",
    "open_dataset": "opening",
    "read_image": "decoding",
    "scan": "scanning",
    "split_dataset": "split",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
