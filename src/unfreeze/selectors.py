"""The small language that says which layers, and the names it speaks of.

A selector's text becomes a value, once, before any layer is touched.

| selector | means |
|---|---|
| `head` | only the classifier that was attached |
| `all` | every leaf |
| `stages:N`, `groups:N` | the last N stages or layer groups, and the head; `0` is the head alone |
| `last:N` | the last N leaves that own weights (conv, norm, linear), in order of use, and the head |
| `from:NAME` | everything from the first leaf of a stage, group, module or leaf on, head included |
| `kind:NAME` | every `conv`, `norm`, `linear` or `other` leaf below the head |
| `leaf:NAME` | exactly one leaf, without any leaf that lies below it |
| `layer4`, `layer{3,4}.*.conv1` | a path or glob, by whole components: all leaves at or below it |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from unfreeze.errors import SelectorError, did_you_mean

__all__ = [
    "KEYWORDS",
    "KINDS",
    "Selector",
    "SelectorForm",
    "nearest_names",
    "parse_selector",
    "path_matches",
    "strip_wrappers",
    "unwrap",
]

SelectorForm = Literal["head", "all", "stages", "groups", "last", "from", "kind", "leaf", "path"]

KEYWORDS = ("head", "all", "stages:N", "groups:N", "last:N", "from:NAME", "kind:NAME", "leaf:NAME")
COUNTED = ("stages", "groups", "last")
NAMED = ("from", "kind", "leaf")
OUTER_WRAPPERS = ("module.", "backbone.")  # DataParallel and DDP; our own Network
HIDDEN_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})  # at any depth
KINDS = ("conv", "norm", "linear", "other")


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector without alternatives: a form with either a `count` or a `name`."""

    form: SelectorForm
    count: int = 0
    name: str = ""


@functools.cache
def parse_selector(text: str) -> tuple[Selector, ...]:
    """Parse one selector; braces give several, whose union is meant.

    >>> parse_selector("layer{3,4}")
    (Selector(form='path', count=0, name='layer3'), Selector(form='path', count=0, name='layer4'))

    Raises:
        SelectorError: the text is empty or malformed, or a number or kind in it is not one.
    """
    return tuple(_parse_alternative(part.strip(), text) for part in _expand_braces(text.strip(), text))


def path_matches(pattern: str, path: str) -> bool:
    """Tell whether a path lies at or below a glob; every component must match as a whole.

    >>> path_matches("block.1", "block.1.conv"), path_matches("block.1", "block.10.conv")
    (True, False)
    """
    wanted, components = pattern.split("."), path.split(".")
    return len(wanted) <= len(components) and all(map(fnmatchcase, components, wanted))


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Return `' Did you mean …?'` for known names and keywords near to one that matched nothing."""
    return did_you_mean(name, dict.fromkeys([*known, "head", "all"]))


@functools.cache
def strip_wrappers(name: str) -> str:
    """Remove what wrapping a model puts before its names, so that a selector means the same in every wrapper.

    `module.` (DDP) and `backbone.` (our own network) are removed in front, as often as they come; `_orig_mod`
    (torch.compile) anywhere.

    >>> strip_wrappers("module._orig_mod.backbone.layer4.0.conv1.weight")
    'layer4.0.conv1.weight'
    """
    name = ".".join(part for part in name.split(".") if part not in HIDDEN_WRAPPERS)
    while name.startswith(OUTER_WRAPPERS):
        name = name.partition(".")[2]
    return name


@functools.cache
def unwrap(name: str) -> str:
    """Remove only the names of foreign wrappers, at any depth, so that full names can be matched exactly.

    >>> unwrap("module.backbone._orig_mod.layer4.0.conv1.weight")
    'backbone.layer4.0.conv1.weight'
    """
    return ".".join(part for part in name.split(".") if part not in HIDDEN_WRAPPERS and part != "module")


def _parse_alternative(text: str, whole: str) -> Selector:
    if not text:
        raise SelectorError(f'A selector must not be empty, but got "{whole}". It is one of: {_forms()}.')
    if text in ("head", "all"):
        return Selector(cast("SelectorForm", text))
    form, colon, argument = text.partition(":")
    if not colon:
        return _parse_path(text, whole)
    if form in COUNTED:
        return Selector(cast("SelectorForm", form), count=_parse_count(argument, text))
    if form not in NAMED:
        raise SelectorError(
            f'The selector "{text}" begins with "{form}:", which is unknown.'
            f"{did_you_mean(form + ':', [known + ':' for known in COUNTED + NAMED])} Known are: {_forms()}."
        )
    if not argument:
        raise SelectorError(f'The selector "{text}" needs a name after "{form}:".')
    if form == "kind" and argument not in KINDS:
        raise SelectorError(
            f'"kind:" takes one of {", ".join(KINDS)}, but got "{argument}".{did_you_mean(argument, KINDS)}'
        )
    return Selector(cast("SelectorForm", form), name=argument)


def _parse_count(argument: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]+", argument):
        raise SelectorError(f'"{text}" needs a whole number of at least 0 after the colon, but got "{argument}".')
    return int(argument)


def _parse_path(text: str, whole: str) -> Selector:
    if "" in text.split("."):
        raise SelectorError(
            f'The path "{whole}" has an empty component: a path is names joined by single dots, as "layer4.0.conv1".'
        )
    return Selector("path", name=text)


def _expand_braces(text: str, whole: str) -> list[str]:
    """Expand `a{b,c}d` to `abd` and `acd`, outermost braces first, nested ones by recursion."""
    start = text.find("{")
    if start < 0:
        if "}" in text:
            raise SelectorError(f'The selector "{whole}" has a "}}" without a "{{".')
        return [text]
    cuts, end = _matching_brace(text, start, whole)
    options = [text[a + 1 : b] for a, b in zip([start, *cuts], [*cuts, end], strict=True)]
    before, after = text[:start], text[end + 1 :]
    return [expanded for option in options for expanded in _expand_braces(before + option + after, whole)]


def _matching_brace(text: str, start: int, whole: str) -> tuple[list[int], int]:
    """Return where the commas of the brace at `start` are, and where it closes."""
    depth, cuts = 0, list[int]()
    for i in range(start, len(text)):
        if text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return cuts, i
        elif text[i] == "," and depth == 1:
            cuts.append(i)
    raise SelectorError(f'The selector "{whole}" has a "{{" that is never closed.')


def _forms() -> str:
    return ", ".join(KEYWORDS) + ', or a path or glob such as "layer{3,4}.*.conv1"'
