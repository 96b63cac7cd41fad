"""Fine-tune the last layers of pretrained image networks, and know which layers, at which rates, and why.

The public names are imported when they are first used: `import unfreeze` alone loads neither torch nor timm.

>>> import unfreeze as uf
>>> run = uf.train("photos/", model="resnet50", strategy="gradual", epochs=10)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unfreeze.api import Evaluation, Run, check, load, plan_for, train
    from unfreeze.backbones import layers_of
    from unfreeze.errors import (
        ConfigError,
        DataError,
        FailedError,
        ImageError,
        InterruptedRunError,
        ModelError,
        PlanError,
        RunError,
        SelectorError,
        UnfreezeError,
        WeightsError,
    )
    from unfreeze.evaluation import Prediction
    from unfreeze.freezing import apply_plan, param_groups
    from unfreeze.layers import Layers
    from unfreeze.plans import Phase, Plan, strategies

__all__ = [
    "ConfigError",
    "DataError",
    "Evaluation",
    "FailedError",
    "ImageError",
    "InterruptedRunError",
    "Layers",
    "ModelError",
    "Phase",
    "Plan",
    "PlanError",
    "Prediction",
    "Run",
    "RunError",
    "SelectorError",
    "UnfreezeError",
    "WeightsError",
    "__version__",
    "apply_plan",
    "check",
    "layers_of",
    "load",
    "param_groups",
    "plan_for",
    "strategies",
    "train",
]

_HOMES = {
    "unfreeze.api": ("Evaluation", "Run", "check", "load", "plan_for", "train"),
    "unfreeze.backbones": ("layers_of",),
    "unfreeze.evaluation": ("Prediction",),
    "unfreeze.freezing": ("apply_plan", "param_groups"),
    "unfreeze.layers": ("Layers",),
    "unfreeze.plans": ("Phase", "Plan"),
    "unfreeze.errors": tuple(name for name in __all__ if name.endswith("Error")),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("unfreeze")
    elif name == "strategies":
        value = importlib.import_module("unfreeze.plans.strategies")
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'unfreeze' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
