"""methods.txt: the paragraph for a paper, with its limits and its references."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.errors import RunError
from unfreeze.options import phase_augment, seed_of_data
from unfreeze.records import write_text
from unfreeze.reporting.calibration import calibration_limits, calibration_methods
from unfreeze.reporting.contents import Contents, read_contents
from unfreeze.reporting.references import references
from unfreeze.reporting.wording import METRIC_NAMES, count, figure, interval, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unfreeze.records import ModelRecord, PhaseRecord, RangeTest

__all__ = ["Methods", "describe_methods", "write_methods"]

NORM_MODES = {
    "eval": "normalisation layers used their stored statistics",
    "train": "normalisation layers that trained updated their statistics",
    "frozen": "normalisation layers stayed frozen",
}
FEW_TEST_PICTURES = 100


@dataclass(frozen=True, kw_only=True)
class Methods:
    """What a paper says of a network: one paragraph, its limits, and what it refers to, one sentence each."""

    paragraph: str
    limits: tuple[str, ...]
    references: tuple[str, ...]


def write_methods(run_dir: str | Path) -> Path:
    """Write methods.txt into a run directory, from what the run left there, and return its path.

    Raises:
        RunError: the directory or its run.json is missing, or one of its files cannot be read.
    """
    contents = read_contents(Path(run_dir))
    methods = describe_methods(contents)
    parts = [
        "Methods",
        methods.paragraph,
        "Limits",
        "\n".join(f"- {limit}" for limit in methods.limits),
        "References",
        "\n".join(f"- {reference}" for reference in methods.references),
    ]
    path = contents.directory / "methods.txt"
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def describe_methods(contents: Contents) -> Methods:
    """Return how a network was made and measured, for methods.txt and a model card.

    Raises:
        RunError: the plan that the run left cannot be read.
    """
    plan = _read_plan(contents.directory / "plan.toml")
    return Methods(
        paragraph=" ".join([*_network(contents), *_data(contents), *_training(contents, plan), *_results(contents)]),
        limits=tuple(_limits(contents)),
        references=references(contents, plan),
    )


def _network(contents: Contents) -> Iterator[str]:
    record, model = contents.record, contents.model
    version = record.environment.get("unfreeze", "")
    yield (
        f"We fine-tuned {model.architecture if model else record.config.model}"
        + (f" ({count(model.n_parameters)} parameters)" if model else "")
        + f" from {_origin(contents)} with unfreeze{' ' + version if version else ''}{_built_on(contents)}."
    )
    if model is None:
        return
    n = len(model.outputs)
    kind = {
        "classification": f"{n} classes by softmax and cross-entropy",
        "multilabel": f"{n} labels by a sigmoid each and binary cross-entropy",
        "regression": f"{n} standardised target{'s' if n > 1 else ''} by the Huber loss",
    }[model.task]
    hidden = f", after a hidden layer of {model.hidden} units," if model.hidden else ""
    on_stages = (
        " on the mean and maximum of each channel after every stage, beside the final features (Evci et al. 2022),"
        if model.features == "stages"
        else ""
    )
    yield f"Its classifier was replaced by a new linear layer{on_stages}{hidden} for {kind}."
    yield _preprocessing(model)


def _origin(contents: Contents) -> str:
    weights = contents.record.weights
    if weights.kind == "random":
        return "random weights"
    digest = f", sha256 {weights.sha256[:12]}…" if weights.sha256 else ""
    return f"pretrained weights ({weights.source}{digest})"


def _built_on(contents: Contents) -> str:
    found = contents.record.environment
    names = {"torch": "PyTorch", "timm": "timm"}
    used = [f"{names[key]} {found[key]}" for key in names if key in found]
    return f" ({', '.join(used)})" if used else ""


def _preprocessing(model: ModelRecord) -> str:
    height, width = model.size
    fitted = "were squashed" if model.crop == "squash" else "were cropped at the centre"
    deep = ""
    if model.depth_range is not None:
        low, high = model.depth_range
        deep = f"; of more than 8 bits, {low:g} to {high:g} became black to white"
    return f"Pictures {fitted} to {width} × {height} pixels ({model.interpolation} interpolation){deep}."


def _data(contents: Contents) -> Iterator[str]:
    data, config = contents.record.data, contents.record.config
    parts = [f"{count(n)} for {name}" for side, name in _SIDES.items() if (n := data.split_counts.get(side))]
    how = "as the data set itself says" if data.split_given else "by a hash of their names"
    if config.group:
        how += f", pictures of one group ({config.group}) and near-duplicates on one side"
    elif not data.split_given:
        how += ", near-duplicates on one side"
    seed = seed_of_data(config)
    yield f"The {count(data.n_images)} pictures were divided into {_listed(parts)}, {how} (seed {seed})."


_SIDES = {"train": "training", "val": "validation", "test": "testing"}


def _training(contents: Contents, plan: dict[str, Any]) -> Iterator[str]:
    record = contents.record
    config, planned = record.config, plan.get("phase", [])
    for i, phase in enumerate(record.phases):
        yield _phase(contents, i, phase, planned[i] if i < len(planned) else {})
    yield from _range_test(record.range_test)
    modes = {p["norm"] for p in planned if p.get("norm") in NORM_MODES}
    if len(modes) == 1:
        yield f"Frozen layers were in inference mode; {NORM_MODES[modes.pop()]}."
    extras = [_augmentation(contents)]
    if config.views is not None and config.views > 1:
        extras.append(f"{config.views} fixed views of each picture, one of them unvaried")
    if config.balance != "none":
        extras.append({"weights": "class weights", "sampling": "class-balanced sampling"}[config.balance])
    if config.label_smoothing:
        extras.append(f"label smoothing {config.label_smoothing:g}")
    stepping = [p.get("solver", "adamw") for p in planned if p.get("solver") != "lbfgs"]
    if stepping or not planned:
        solver = {"adamw": "AdamW", "sgd": "SGD with Nesterov momentum 0.9"}[
            (stepping or [config.solver or "adamw"])[0]
        ]
        extras = [solver, f"batches of {config.batch_size}", *extras]
        if config.clip is not None:
            extras.append(f"gradients clipped to norm {config.clip:g}")
    yield f"We used {_listed(extras)}, in {record.precision} on {record.device}."
    if record.cache.hit_ratio is not None:
        how = f"{record.engine}, {record.engine_precision}"
        yield f"What frozen layers give was computed once for each view of a picture ({how})."
    yield f"The epoch with the best {METRIC_NAMES[record.primary_metric]} on validation was kept."
    yield from calibration_methods(contents)


def _augmentation(contents: Contents) -> str:
    """Say how pictures were varied, and where not in all phases alike, in which."""
    alone = [
        {layer.group for layer in contents.layers if layer.phase == phase.name and layer.trained} <= {"head"}
        for phase in contents.record.phases
    ]
    kinds = {each: phase_augment(contents.record.config, head_alone=each) for each in alone or [False]}
    if len(set(kinds.values())) == 1:
        (kind,) = set(kinds.values())
        return "no augmentation" if kind == "none" else f"{kind} augmentation"
    return f"{kinds[False]} augmentation where more than the classifier trained"


def _phase(contents: Contents, index: int, phase: PhaseRecord, planned: dict[str, Any]) -> str:
    trained = [layer for layer in contents.layers if layer.phase == phase.name and layer.trained]
    rates = sorted({lr for layer in trained for lr in layer.lrs})
    lead = "Training" if len(contents.record.phases) == 1 else f"Phase {index + 1}"
    what = f"{count(phase.n_trained)} parameters"
    groups = list(dict.fromkeys(layer.group for layer in trained))
    if groups:
        what += f" ({groups[0]}{' to ' + groups[-1] if len(groups) > 1 else ''})"
    epochs = f"{phase.epochs_run} epoch{'s' if phase.epochs_run != 1 else ''}"
    if phase.epochs_run < phase.epochs_planned:
        epochs += f" of {phase.epochs_planned}, stopped early"
    if phase.l2 is not None:
        return _fit(contents, phase, f"{lead} fitted {what}")
    text = f"{lead} updated {what} for {epochs}"
    if rates:
        text += f" at peak learning rates of {' to '.join(dict.fromkeys((rate(rates[0]), rate(rates[-1]))))}"
    details = [f"{planned['schedule']} schedule"] if "schedule" in planned else []
    if "weight_decay" in planned:
        details.append(f"weight decay {planned['weight_decay']:g}")
    return text + (f" ({', '.join(details)})." if details else ".")


def _fit(contents: Contents, phase: PhaseRecord, lead: str) -> str:
    """Say how a head was fitted at once, and which strength of the penalty was chosen."""
    tried = [row["l2"] for row in contents.history if row["phase"] == phase.name]
    strengths = f"{len(tried)} strengths, {rate(tried[0])} to {rate(tried[-1])}" if len(tried) > 1 else "one strength"
    return (
        f"{lead} to all training pictures at once by L-BFGS, with an L2 penalty on the weights of features that were "
        f"divided by their standard deviation, or by the median one of their kind where that is larger ({strengths}); "
        f"the strength kept was {rate(phase.l2 or 0.0)}.{_selection(phase)}"
    )


def _selection(phase: PhaseRecord) -> str:
    """Say which features were left to it."""
    found = phase.selection
    if found is None:
        return ""
    how = ""
    if found.shares:
        tried = _listed([f"{100 * share:.3g}%" for share in found.shares])
        how = f"; the share, {100 * found.share:.3g}%, was chosen on validation from {tried}"
    return (
        f" Of {count(found.n_features)} features that vary, it was given {count(found.n_kept)}: those that a group "
        f"lasso on the training pictures ranked first, with one feature's weights as a group (Yuan and Lin 2006){how}."
    )


def _range_test(test: RangeTest | None) -> Iterator[str]:
    """Say how the head's rate was found, or that it could not be."""
    if test is None:
        return
    swept = f"over {len(test.losses)} steps from {rate(test.rates[0])} upwards" if test.rates else "upwards"
    if test.outcome == "found":
        yield (
            f"The classifier's peak rate in the first phase, {rate(test.lr)}, was found by a range test on training "
            f"pictures (Smith 2017; {swept}): the one at which the loss fell fastest. Other rates keep their ratio to "
            "it."
        )
    else:
        yield f"A range test (Smith 2017; {swept}) found no rate, so that the default, {rate(test.lr)}, was taken."


def _results(contents: Contents) -> Iterator[str]:
    record = contents.record
    told = []
    for name, value in record.metrics.test.items():
        if value.value is None:
            continue
        limits = interval(name, value)
        told.append(f"{METRIC_NAMES.get(name, name)} {figure(name, value.value)}" + (f" ({limits})" if limits else ""))
    if record.status != "done" or not told:
        yield f"The training is {record.status}; nothing has been measured on the test pictures."
        return
    yield f"On the {count(record.data.split_counts.get('test', 0))} test pictures we measured {_listed(told)}."
    by = f", treating {record.config.group} as the independent unit" if record.config.group else ""
    yield f"In brackets are 95% confidence intervals{by}: {_interval_method(contents)}."


def _interval_method(contents: Contents) -> str:
    if contents.task == "regression":
        return "bootstrap-t on the log scale (Hall 1988)"
    if contents.task == "multilabel":
        return "score intervals per label, combined over labels by MOVER (Zou and Donner 2008)"
    return (
        "Wilson's for accuracy; score intervals per class (for areas under the curve Newcombe 2006) combined over "
        "classes by MOVER (Zou and Donner 2008); bootstrap-t on the log scale for the loss (Hall 1988)"
    )


def _limits(contents: Contents) -> Iterator[str]:
    record = contents.record
    n_test = record.data.split_counts.get("test", 0)
    yield "One split and one seed: the intervals cover the choice of test pictures, not that of split or seed."
    yield "Test pictures come from the same source as the training pictures; other cameras or sites may do worse."
    if n_test < FEW_TEST_PICTURES:
        yield f"{n_test} test pictures are few; differences within the intervals mean nothing."
    if not record.config.group:
        yield (
            "No groups were named: pictures of one patient, item or scene on both sides of the split would make every "
            "figure too good, and intervals too narrow."
        )
    yield from calibration_limits(contents)
    if record.config.balance != "none":
        yield "Training was balanced over classes; the probabilities were set back to the natural frequencies."
    if record.weights.kind != "random":
        yield "Pretraining pictures are not known here; a public test set may have been among them."
    counts = record.data.counts.values()
    if contents.task == "classification" and counts and max(counts) >= 5 * max(1, min(counts)):
        yield f"Classes are uneven ({min(counts)} to {max(counts)} pictures); figures of the rare ones are uncertain."


def _read_plan(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f'"{path}" cannot be read as TOML: {error}. It was edited by hand.') from error


def _listed(parts: list[str]) -> str:
    if len(parts) < 2:  # noqa: PLR2004
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
