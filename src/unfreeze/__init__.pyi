from .advising import Advice, advise
from .api import check, load, plan_for, train
from .backbones import layers_of
from .comparing import Comparison, compare
from .errors import (
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
from .evaluation import Prediction
from .exporting import Exported
from .freezing import apply_plan, param_groups
from .layers import Layers
from .plans import Phase, Plan, strategies
from .run import Evaluation, Run
from .teaching import teach
from .version import __version__

__all__ = [
    "Advice",
    "Comparison",
    "ConfigError",
    "DataError",
    "Evaluation",
    "Exported",
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
    "advise",
    "apply_plan",
    "check",
    "compare",
    "layers_of",
    "load",
    "param_groups",
    "plan_for",
    "strategies",
    "teach",
    "train",
]
