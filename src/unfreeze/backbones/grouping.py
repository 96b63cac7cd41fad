"""Every network's layers: stages, layer groups and leaves, as timm groups them or as the user says.

timm's `group_matcher` sorts parameters at two grains, which are our stages and layer groups. The classifier is
taken out as the stage `head`; what else timm leaves unmatched above its last block (DenseNet's norm5, ConvNeXt's
head.norm) is the stage `pre_head` below it.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from timm.models import group_parameters
from torch import nn

from unfreeze.backbones.leaves import Grown, grow_leaves
from unfreeze.backbones.ordering import Trace, trace, unwrap
from unfreeze.errors import ModelError, SelectorError, did_you_mean, raise_together
from unfreeze.layers import LayerGroup, Layers, Stage
from unfreeze.selectors import parse_selector, path_matches

__all__ = ["Grouping", "group_children", "group_patterns", "group_timm", "layers_from", "layers_of"]

HEAD, PRE_HEAD = "head", "pre_head"


@dataclass(frozen=True)
class Grouping:
    """The layer group of every parameter and the stage of every group, both named, input to output."""

    group_of: Mapping[str, str]
    stage_of: Mapping[str, str]


def layers_of(
    model: nn.Module,
    *,
    head: str | Sequence[str] | None = None,
    example: Any = None,
    groups: Mapping[str, str] | None = None,
) -> Layers:
    """Return the layers of any module: stages, layer groups, leaves, in the order of their use.

    Args:
        model: a timm network, our `Network`, or any other module; wrappers (DDP, compiled) are looked through.
        head: path of the classifier, or several; by default timm's own, else the module that is used last.
        example: an input for one image, if not a picture of the network's size: a tensor, tuple or dict.
        groups: layer groups by name, each a path or glob of modules; by default timm's groups, else the top-level
            children (and the items of top-level sequences).

    Raises:
        ModelError: the head is not there, a pattern overlaps with another, or the example does not fit.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    >>> _ = model(torch.zeros(1, 3, 8, 8))
    >>> [stage.name for stage in layers_of(model, head="2", example=torch.zeros(1, 3, 8, 8)).stages]
    ['0', 'head']
    """
    model = unwrap(model)
    size = getattr(getattr(model, "spec", None), "size", None) or _timm_size(model)
    if example is None:
        example = torch.zeros(1, 3, *(size or (224, 224)))
    return layers_from(model, trace(model, example), head=head, groups=groups, size=_size_of(example))


def layers_from(
    model: nn.Module,
    seen: Trace,
    *,
    head: str | Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> Layers:
    """Return the layers of a module whose forward pass has been seen already; see `layers_of`."""
    backbone, prefix = _backbone_of(model)
    heads = _head_paths(model, prefix, head, seen)
    below = [n for n, _ in model.named_parameters() if not _is_under(n, heads)]
    if not below:
        raise ModelError(f"{type(model).__name__} has no parameters below its head {heads}; name another head.")
    if groups is not None:
        grouping = group_patterns(below, groups)
    else:
        group = group_timm if _has_both_grains(backbone) else group_children
        grouping = group(backbone, [n.removeprefix(prefix) for n in below])
        grouping = Grouping({prefix + n: name for n, name in grouping.group_of.items()}, grouping.stage_of)
    group_of = {n: grouping.group_of.get(n, HEAD) for n, _ in model.named_parameters()}
    grown = grow_leaves(model, seen, group_of)
    return _assemble(name or _name_of(model, backbone), grouping, grown, size)


def _has_both_grains(backbone: nn.Module) -> bool:
    matcher: Any = getattr(backbone, "group_matcher", None)
    try:
        return callable(matcher) and matcher(coarse=True) is not None
    except AssertionError:  # timm's way to say that a network has one grain only (RDNet)
        return False


def group_timm(backbone: nn.Module, names: Sequence[str]) -> Grouping:
    """Group parameters as timm does, at both grains; a layer group belongs to the stage of most of its parameters."""
    matcher: Any = backbone.group_matcher
    fine, coarse = (_Matched(backbone, matcher(coarse=is_coarse)) for is_coarse in (False, True))
    members: dict[int, list[str]] = defaultdict(list)
    for name in names:
        members[fine.ids[name]].append(name)
    stage_ids = {i: Counter(coarse.ids[n] for n in members[i]).most_common(1)[0][0] for i in members}
    group_names = _unique({i: fine.name_of(members[i], first=i == min(members)) for i in sorted(members)})
    stage_members: dict[int, list[str]] = defaultdict(list)
    for i in sorted(members):
        stage_members[stage_ids[i]] += members[i]
    first = min(stage_members)
    stage_names = _unique({s: coarse.name_of(found, first=s == first) for s, found in stage_members.items()})
    # A stage's groups stand together: stages in the order of their first group.
    order = sorted(members, key=lambda i: (list(stage_members).index(stage_ids[i]), i))
    return Grouping(
        group_of={name: group_names[i] for i in order for name in members[i]},
        stage_of={group_names[i]: stage_names[stage_ids[i]] for i in order},
    )


def group_patterns(names: Sequence[str], groups: Mapping[str, str]) -> Grouping:
    """Group parameters by the user's patterns, each a stage of one layer group; every parameter must be in one."""
    group_of: dict[str, str] = {}
    problems = []
    for group, text in groups.items():
        patterns = [selector.name for selector in parse_selector(text) if selector.form == "path"]
        found = [n for n in names if any(path_matches(p, n.rpartition(".")[0] or n) for p in patterns)]
        taken = [n for n in found if n in group_of]
        if group in {HEAD, PRE_HEAD}:
            problems.append(f'A group cannot be called "{group}"; the head is named by head=.')
        if not found:
            modules = {n.rpartition(".")[0] for n in names}
            problems.append(f'The pattern "{text}" of group "{group}" matches nothing.{did_you_mean(text, modules)}')
        if taken:
            problems.append(f'"{taken[0]}" is in the groups "{group_of[taken[0]]}" and "{group}"; name it once.')
        group_of |= dict.fromkeys(found, group)
    left = [n for n in names if n not in group_of]
    if left and not problems:
        problems.append(f'{len(left)} parameters are in no group, as "{left[0]}"; add a pattern that matches them.')
    raise_together(problems, SelectorError)
    return Grouping(group_of, {group: group for group in groups})


def group_children(model: nn.Module, names: Sequence[str]) -> Grouping:
    """Group parameters by top-level children as stages, and by the items of those that are sequences."""
    sequences = {path for path, child in model.named_children() if isinstance(child, nn.Sequential | nn.ModuleList)}
    group_of, stage_of = {}, {}
    for name in names:
        parts = name.split(".")
        if parts[0] == HEAD:  # what is left of a network's own head without its classifier
            parts = [PRE_HEAD]
        group = ".".join(parts[:2]) if parts[0] in sequences and len(parts) > 2 else parts[0]  # noqa: PLR2004
        group_of[name] = group
        stage_of[group] = parts[0] if len(parts) > 1 else group
    return Grouping(group_of, stage_of)


class _Matched:
    """Parameters sorted by one of timm's matchers: ordinals, and names from what its patterns matched."""

    def __init__(self, backbone: nn.Module, matcher: Mapping[str, Any] | Callable[[str], Any]) -> None:
        self.matcher = matcher
        self.ids: dict[str, int] = group_parameters(backbone, matcher, reverse=True)

    def name_of(self, names: Sequence[str], *, first: bool) -> str:
        """Name a group: `stem`, `pre_head`, else the module path that timm's pattern matched most often."""
        if all(self._is_unmatched(name) for name in names):
            return PRE_HEAD
        if first and (callable(self.matcher) or next(iter(self.matcher)) == "stem"):
            return "stem"
        texts = [text for text in (self._matched_path(name) for name in names) if text]
        if texts:
            return Counter(texts).most_common(1)[0][0]
        return _majority_path(names)

    def _is_unmatched(self, name: str) -> bool:
        if callable(self.matcher):
            found = self.matcher(name)
            return bool(math.inf in (found if isinstance(found, tuple | list) else (found,)))
        return not any(re.match(pattern, name) for pattern, _ in self._patterns())

    def _patterns(self) -> list[tuple[str, Any]]:
        assert not callable(self.matcher)
        found = [p for p in self.matcher.values() if p is not None]
        return list(chain.from_iterable(p if isinstance(p, tuple | list) else [(p, None)] for p in found))

    def _matched_path(self, name: str) -> str | None:
        """Return the whole components that the pattern matched; not where it only joins a group (a suffix)."""
        if callable(self.matcher):
            return None
        for pattern, suffix in self._patterns():
            if match := re.match(pattern, name):
                end = name.find(".", match.end())
                return name[: end if end >= 0 else None] if not suffix else None
        return None


def _majority_path(names: Sequence[str]) -> str:
    """Return the longest module path that more than half of the parameters share, else the most shared one."""
    paths = Counter(chain.from_iterable(_ancestors(name) for name in names))
    shared = [path for path, n in paths.items() if 2 * n > len(names)]
    if shared:
        return max(shared, key=lambda path: path.count("."))
    return max(paths, key=lambda path: (paths[path], path.count(".")), default=names[0])


def _ancestors(name: str) -> list[str]:
    parts = name.split(".")[:-1]
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _unique(names: Mapping[int, str]) -> dict[int, str]:
    """Number the names that occur twice, and keep the attached head's name free."""
    found: dict[int, str] = {}
    for i, name in names.items():
        wanted = f"{PRE_HEAD}.{name}" if name == HEAD else name
        n = 2
        while wanted in found.values():
            wanted, n = f"{name}_{n}", n + 1
        found[i] = wanted
    return found


def _assemble(model: str, grouping: Grouping, grown: Grown, size: tuple[int, int] | None) -> Layers:
    stages: dict[str, list[LayerGroup]] = defaultdict(list)
    for group, stage in grouping.stage_of.items():
        stages[stage].append(LayerGroup(group, grown.by_group[group]))
    return Layers(
        model=model,
        stages=(
            *(Stage(name, tuple(groups)) for name, groups in stages.items()),
            Stage(HEAD, (LayerGroup(HEAD, grown.by_group[HEAD]),)),
        ),
        order=grown.order,
        size=size,
    )


def _backbone_of(model: nn.Module) -> tuple[nn.Module, str]:
    """Return the part that timm groups, and the prefix of its parameters' names."""
    inner = getattr(model, "backbone", None)
    if isinstance(inner, nn.Module) and isinstance(getattr(model, "head", None), nn.Module):
        return inner, "backbone."
    return model, ""


def _head_paths(model: nn.Module, prefix: str, head: str | Sequence[str] | None, seen: Trace) -> tuple[str, ...]:
    """Find the classifier's paths: as said, as timm says, or the module that was used last."""
    modules = dict(model.named_modules())
    if head is not None:
        paths = (head,) if isinstance(head, str) else tuple(head)
        for path in paths:
            if path not in modules or not any(True for _ in modules[path].parameters()):
                raise ModelError(
                    f'{type(model).__name__} has no module "{path}" with parameters to be its head.'
                    f"{did_you_mean(path, [n for n in modules if n])}"
                )
        return paths
    if prefix:
        return (HEAD,)
    named = (getattr(model, "pretrained_cfg", None) or {}).get("classifier")
    if named:
        paths = (named,) if isinstance(named, str) else tuple(named)
        paths = tuple(p for p in paths if p in modules and any(True for _ in modules[p].parameters()))
        if not paths:
            raise ModelError(
                f"This {type(model).__name__} has no classifier (num_classes=0): "
                "create it with the number of your classes, or name its last module by head=."
            )
        return paths
    if not seen.first_use:
        raise ModelError(f"{type(model).__name__} uses no parameter in its forward pass; give head= and example=.")
    return (max(seen.first_use, key=seen.first_use.__getitem__).rpartition(".")[0],)


def _is_under(name: str, heads: Sequence[str]) -> bool:
    return any(name == head or name.startswith(head + ".") for head in heads)


def _timm_size(model: nn.Module) -> tuple[int, int] | None:
    size = (getattr(model, "pretrained_cfg", None) or {}).get("input_size")
    grid = getattr(getattr(model, "patch_embed", None), "img_size", None)  # set by img_size=, unlike the cfg
    return tuple(grid or size[-2:]) if size else None


def _size_of(example: Any) -> tuple[int, int] | None:
    image = example[0] if isinstance(example, tuple) and example else example
    if isinstance(image, torch.Tensor) and image.ndim == 4:  # noqa: PLR2004 - batch, channel, height, width
        return (int(image.shape[-2]), int(image.shape[-1]))
    return None


def _name_of(model: nn.Module, backbone: nn.Module) -> str:
    record = getattr(model, "record", None)
    cfg = getattr(backbone, "pretrained_cfg", None) or {}
    return str(getattr(record, "architecture", None) or cfg.get("architecture") or type(backbone).__name__)
