"""`unfreeze models`: which networks there are, and whether their weights need a model hub."""

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import OUTPUT, JsonFlag
from unfreeze.cli.wording import count_text
from unfreeze.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    from unfreeze.backbones import KnownModel

__all__ = ["models_command"]

# Shown when nothing is asked for: the networks of the classic recipes, and the common ones of each family.
COMMON = (
    "tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "mobilenetv2_100",
    "mobilenetv3_large_100", "efficientnet_b0", "resnet18", "resnet50", "densenet121", "vgg16", "convnext_tiny",
    "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224", "swin_tiny_patch4_window7_224",
)  # fmt: skip
WEIGHTS = {"bundled": "in a pip package, no hub needed", "hub": "downloaded from a model hub", "none": "none known"}


def models_command(
    pattern: Annotated[
        str | None, Parameter(help="A part of the name, or a glob such as 'resnet*'.", show_default=False)
    ] = None,
    /,
    *,
    all: Annotated[  # noqa: A002 - the option's name
        bool, Parameter(name="--all", group=OUTPUT, help="All networks, not only the common ones.", show_default=False)
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """List the networks that can be fine-tuned: any of timm's.

    Without a pattern the common ones are shown; `--json` always gives all that match.
    """
    from unfreeze.backbones import known_models

    known = known_models()
    found = [model for model in known if pattern is None or _matches(model.name, pattern)]
    if not found:
        near = did_you_mean(str(pattern), [model.name for model in known])
        raise ModelError(f'No network\'s name matches "{pattern}".{near}')
    shown = found if all or pattern is not None else [model for model in found if model.name in COMMON]
    rest = f"{len(known):,} networks in all: `unfreeze models --all`, or with a part of the name."
    return Answer(
        as_json=json,
        payload={"models": [_payload(model) for model in found]},
        shown=[TableOf(columns=_COLUMNS, rows=[_row(model) for model in shown]), rest],
    )


_COLUMNS = (
    Column(title="network", whole=True),
    Column(title="parameters", right=True),
    Column(title="input, px", right=True),
    Column(title="pretrained weights"),
    Column(title="licence"),
)


def _matches(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern) if set(pattern) & set("*?[") else pattern.lower() in name


def _row(model: "KnownModel") -> list[str]:
    return [
        model.name,
        "–" if model.n_parameters is None else count_text(model.n_parameters),
        "–" if model.size is None else str(model.size[1]),
        WEIGHTS[model.weights],
        model.licence or "–",
    ]


def _payload(model: "KnownModel") -> dict[str, Any]:
    return {
        "name": model.name,
        "n_parameters": model.n_parameters,
        "size": None if model.size is None else list(model.size),
        "weights": model.weights,
        "licence": model.licence,
    }
