"""A plan applied: the only writer of `requires_grad`, norm and dropout modes, and rates."""

from unfreeze.freezing.application import Applied, apply_plan, apply_rates
from unfreeze.freezing.hashes import layer_hashes
from unfreeze.freezing.optimizer import param_groups

__all__ = ["Applied", "apply_plan", "apply_rates", "layer_hashes", "param_groups"]
