"""Finds a plan's names in a model, whatever the model is wrapped in."""

from __future__ import annotations

from torch import nn

from unfreeze.errors import PlanError, did_you_mean
from unfreeze.layers import Layers, unwrap

__all__ = ["parameters_by_name"]


def parameters_by_name(model: nn.Module, layers: Layers) -> dict[str, nn.Parameter]:
    """Return a model's parameters by their names without wrappers, as `Layers.leaf_by_parameter` has them.

    Raises:
        PlanError: the model's parameters are not those of the layers, so a plan for them cannot be applied.
    """
    found: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        plain = unwrap(name)
        if plain in found:
            raise PlanError(
                f'Two parameters of the model are both "{plain}" once the names of wrappers are removed. '
                'Rename the module that is called like a wrapper, as "module".'
            )
        found[plain] = parameter
    known = layers.leaf_by_parameter
    if found.keys() != known.keys():
        raise PlanError(_mismatch(sorted(known.keys() - found.keys()), sorted(found.keys() - known.keys()), layers))
    return found


def _mismatch(missing: list[str], unknown: list[str], layers: Layers) -> str:
    problems = []
    if missing:
        problems.append(
            f"the model lacks {len(missing)} of their {len(layers.parameters)} parameters, the first "
            f'"{missing[0]}".{did_you_mean(missing[0], unknown)}'
        )
    if unknown:
        problems.append(f'the model has {len(unknown)} parameters that are not theirs, the first "{unknown[0]}".')
    return (
        f"The plan is for the layers of {layers.model}, but {' And '.join(problems)} "
        "Write the plan for layers_of(model) of this very model."
    )
