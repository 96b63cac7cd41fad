"""The options that several commands share, with their groups in `--help`.

They are total=False dictionaries: what is in one was given by the user, what is not has its default.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from cyclopts import Group, Parameter, Token

from unfreeze.command_words import SWITCHED_OFF
from unfreeze.records import TrainOptions

__all__ = [
    "AdviseFlags",
    "CacheFlags",
    "CheckFlags",
    "DataArgument",
    "DataFlags",
    "FoundFlags",
    "JsonFlag",
    "PlanFlags",
    "SourceFlags",
    "TeachFlags",
    "TrainFlags",
    "WholeNumber",
    "options_from",
]

DATA = Group("Data", sort_key=2)
NETWORK = Group("Network", sort_key=3)
PLAN = Group("What trains, when, and at which rates", sort_key=4)
TRAINING = Group("Training", sort_key=5)
MACHINE = Group("Machine", sort_key=6)
OUTPUT = Group("Output", sort_key=7)

DEFAULTS = TrainOptions()


def _setting(field: str, group: Group, text: str) -> Parameter:
    """Describe an option of `unfreeze train`, with the default that the library has for it."""
    default = getattr(DEFAULTS, field)
    shown = f" [default: {default}]" if isinstance(default, str | int | float) and default is not False else ""
    return Parameter(group=group, help=text + shown)


def _whole_number(_kind: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number; the parser's own reading would round 1.5 to 2 without a word."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'expected a whole number, but got "{tokens[0].value}".') from None


def _number_or_auto(_kind: Any, tokens: Sequence[Token]) -> float | str:
    """Read a number, or `auto`; the parser's own message would name Python's types."""
    value = tokens[0].value
    try:
        return value if value == "auto" else float(value)
    except ValueError:
        raise ValueError(f'expected a number, or auto, but got "{value}".') from None


WholeNumber = Annotated[int, Parameter(converter=_whole_number)]
JsonFlag = Annotated[
    bool, Parameter(name="--json", group=OUTPUT, help="Print one JSON object on stdout.", show_default=False)
]


DataArgument = Annotated[
    Path | None,
    Parameter(
        help="A folder with one folder of pictures per class, or a CSV or Parquet table with a file column.",
        show_default=False,
    ),
]


class SourceFlags(TypedDict, total=False):
    """Where pictures and labels of a known task are."""

    target: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA, help='A column of the table to learn; repeatable. [default: "label", else all 0/1 columns]'
        ),
    ]
    group: Annotated[
        str,
        _setting(
            "group",
            DATA,
            "What must stay on one side of the split (a patient, a slide): a column, parent (the sub-folder), "
            "or a regular expression for file names.",
        ),
    ]
    split: Annotated[str, _setting("split", DATA, "A column that says train, val or test. [default: split 70/15/15]")]


class DataFlags(SourceFlags, total=False):
    """How pictures and labels are read."""

    task: Annotated[
        Literal["auto", "classification", "multilabel", "regression"],
        _setting("task", DATA, "What the labels are; auto tells from them."),
    ]


class CacheFlags(TypedDict, total=False):
    """Where the cache is, and whether there is one."""

    cache_dir: Annotated[
        Path,
        Parameter(
            group=MACHINE,
            help="Where the cache lies. [default: UNFREEZE_CACHE_DIR, else the user's cache directory]",
        ),
    ]
    no_cache: Annotated[
        bool,
        Parameter(
            group=MACHINE,
            help="Do without the cache: read nothing from it, keep nothing in it.",
            show_default=False,
            negative="",
        ),
    ]


class CheckFlags(DataFlags, CacheFlags, total=False):
    """The settings of a check."""


SizeSetting = Annotated[
    WholeNumber,
    _setting(
        "size",
        NETWORK,
        "Height and width of the input, px. [default: the network's own; 10/7 of it for head; advise tries both]",
    ),
]


class HowFlags(TypedDict, total=False):
    """What trains, how and at which rates."""

    hidden: Annotated[WholeNumber, _setting("hidden", NETWORK, "Units of a hidden layer in the head. [default: none]")]
    features: Annotated[
        Literal["last", "stages"],
        _setting(
            "features",
            NETWORK,
            "What the head reads: the last layer's features, or the pooled outputs of all stages beside them. "
            "[default: last; stages for head2toe]",
        ),
    ]
    strategy: Annotated[
        str,
        _setting(
            "strategy",
            PLAN,
            "auto (takes advice first), head, head2toe, gradual, layerwise, gradual-layerwise, full, lp-ft, norm-only, "
            "or a selector such as stages:2.",
        ),
    ]
    plan: Annotated[Path, _setting("plan", PLAN, "A plan file (TOML) instead; `unfreeze plan --toml` writes one.")]
    lr: Annotated[
        float | Literal["auto"],
        Parameter(converter=_number_or_auto),
        _setting(
            "lr",
            PLAN,
            "The head's rate; the others scale with it. auto finds it by a range test. "
            "[default: 3e-3 for head, else 1e-3; 1e-2 for SGD]",
        ),
    ]
    solver: Annotated[
        Literal["adamw", "sgd", "lbfgs"],
        _setting("solver", PLAN, "The optimizer; lbfgs fits a linear head to all pictures at once. [default: adamw]"),
    ]
    select_features: Annotated[
        float | Literal["auto"],
        Parameter(converter=_number_or_auto),
        _setting(
            "select_features",
            PLAN,
            "With lbfgs: the share of its features that the head keeps, ranked by a group lasso; auto chooses it on "
            "validation. [default: all]",
        ),
    ]


class LengthFlags(TypedDict, total=False):
    """On which input, and for how long."""

    size: SizeSetting
    epochs: Annotated[WholeNumber, _setting("epochs", PLAN, "Epochs in all.")]
    patience: Annotated[
        WholeNumber,
        _setting("patience", PLAN, "End a phase after so many epochs without a better metric. [default: never]"),
    ]
    batch_size: Annotated[WholeNumber, _setting("batch_size", TRAINING, "Pictures in an optimizer step.")]


class PlanFlags(HowFlags, LengthFlags, total=False):
    """What trains, when, at which rates, and on which input."""


class NetworkFlags(CacheFlags, total=False):
    """Which pretrained network, and where it is computed."""

    model: Annotated[str, _setting("model", NETWORK, "A timm network by name, or a finished RUN to continue from.")]
    weights: Annotated[
        Path, _setting("weights", NETWORK, "Pretrained weights from a file (.safetensors, .pt, .pth, .bin).")
    ]
    no_pretrained: Annotated[bool, Parameter(group=NETWORK, help="Begin from random weights.", show_default=False)]
    seed: Annotated[WholeNumber, _setting("seed", TRAINING, "Split, order, views and the new head follow from it.")]
    device: Annotated[Literal["auto", "cpu", "cuda"], _setting("device", MACHINE, "Where to compute.")]
    engine: Annotated[
        Literal["auto", "openvino", "compile", "eager"],
        _setting(
            "engine", MACHINE, "What computes the frozen layers, once; auto is the fastest that agrees with PyTorch."
        ),
    ]


class TeachFlags(NetworkFlags, total=False):
    """The settings of a lesson, whose head is linear and alone trains."""

    size: SizeSetting


class ViewFlags(TypedDict, total=False):
    """How pictures are varied."""

    augment: Annotated[
        Literal["none", "light", "standard"],
        _setting(
            "augment",
            TRAINING,
            "How much training pictures are varied. [default: light; none while the head alone trains]",
        ),
    ]
    views: Annotated[
        WholeNumber,
        _setting(
            "views",
            TRAINING,
            "Views of each picture, the first unvaried. [default: a new one in every epoch]",
        ),
    ]


class FoundFlags(HowFlags, ViewFlags, total=False):
    """What an advice finds out: to give it is an error, which names the alternative."""


class AdviseFlags(DataFlags, LengthFlags, NetworkFlags, total=False):
    """The settings that a training by advice is to have."""

    skip_unreadable: Annotated[bool, _setting("skip_unreadable", DATA, "Go on without pictures that cannot be read.")]
    check_labels: Annotated[
        bool,
        _setting("check_labels", DATA, "Name labels that are probably wrong, in the report; takes a second or two."),
    ]
    balance: Annotated[
        Literal["none", "weights", "sampling"],
        _setting("balance", TRAINING, "Let rare classes count as much as frequent ones."),
    ]
    label_smoothing: Annotated[
        float, _setting("label_smoothing", TRAINING, "Share of certainty taken from the labels, 0 to 1.")
    ]
    conformal: Annotated[
        float,
        _setting(
            "conformal",
            TRAINING,
            "Calibrate prediction sets (for values: intervals) that hold the truth in this share of cases: 0.9.",
        ),
    ]
    clip: Annotated[float | None, _setting("clip", TRAINING, 'Largest norm of the gradient; "none" for no limit.')]
    metric: Annotated[
        str,
        _setting(
            "metric",
            TRAINING,
            "What picks the best epoch on validation. [default: balanced_accuracy, map or mae, by task]",
        ),
    ]
    data_seed: Annotated[
        WholeNumber, _setting("data_seed", TRAINING, "Split, order and views follow from this one. [default: --seed]")
    ]
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        _setting(
            "precision",
            MACHINE,
            "How precisely to compute; bf16 is faster where the processor has it, and less exact. Auto is fp32.",
        ),
    ]


class TrainFlags(AdviseFlags, PlanFlags, ViewFlags, total=False):
    """The settings of a training; `options_from` turns them into `TrainOptions`' fields."""


def options_from(flags: Mapping[str, object]) -> dict[str, Any]:
    """Return the flags that were given, as the library's options."""
    options: dict[str, Any] = dict(flags)
    for name in SWITCHED_OFF:
        if f"no_{name}" in options:
            options[name] = not options.pop(f"no_{name}")
    for name in ("weights", "plan", "cache_dir"):
        if name in options:
            options[name] = str(options[name])
    return options
