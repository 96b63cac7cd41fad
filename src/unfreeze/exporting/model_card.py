"""model_card.md: what a network is, in the format of the Hugging Face Hub, from what its run left behind."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from unfreeze.data.table import TABLE_EXTENSIONS
from unfreeze.exporting.example_script import EXAMPLE_SUFFIX, usage
from unfreeze.reporting.contents import Contents, read_contents
from unfreeze.reporting.methods import describe_methods
from unfreeze.reporting.wording import METRIC_NAMES, METRIC_NOTES, count, figure, interval, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unfreeze.exporting.parity_record import Agreement, ParityRecord
    from unfreeze.records import ModelRecord, TaskName, WeightsRecord

__all__ = ["CARD_FILE", "data_name", "is_ours", "model_card"]

CARD_FILE = "model_card.md"
MARK = "<!-- Written by `unfreeze export`. Delete this line to make the card your own: it is then left as it is. -->"
HUB_TASKS: dict[TaskName, str] = {
    "classification": "image-classification",
    "multilabel": "image-classification",
    "regression": "image-regression",  # no task of the Hub's own, so that it is no pipeline tag
}
HUB_METRICS = {"macro_f1": "f1", "f1_macro": "f1", "f1_micro": "f1", "map": "mean_average_precision"}
N_NAMED = 20  # classes that are listed by name


def model_card(run: Path, *, parities: Sequence[ParityRecord]) -> str:
    """Return a model card: a YAML header for the Hub, then what a reader has to know.

    Args:
        run: the directory of a finished run.
        parities: of the exported files that lie beside the card.

    Raises:
        RunError: a file of the run cannot be read.
    """
    contents = read_contents(run)
    model = contents.model
    assert model is not None, "a finished run has a network"
    methods = describe_methods(contents)
    title = f"{model.architecture.partition('.')[0]}, fine-tuned on {data_name(contents)}"
    parts = [
        f"---\n{_header(contents, model, parities)}\n---",
        MARK,
        f"# {title}",
        " ".join(_what(contents, model)),
        "## How good it is",
        "\n".join(_metrics(contents)),
        "## How to use it",
        *_use(model, parities),
        "## Files",
        "\n".join(_files(parities)),
        "## How it was made",
        methods.paragraph,
        "## Limits",
        "\n".join(f"- {limit}" for limit in (*methods.limits, *_rights(model.weights))),
        "## References",
        "\n".join(f"- {reference}" for reference in methods.references),
    ]
    return "\n\n".join(parts) + "\n"


def is_ours(path: Path) -> bool:
    """Tell whether a card may be written anew: there is none, or nobody has made it their own."""
    return not path.is_file() or MARK in path.read_text(encoding="utf-8", errors="replace")


def data_name(contents: Contents) -> str:
    """Return the name of the pictures' folder (a table's is its folder's), without the rest of its path."""
    path = PurePath(contents.record.data.path)
    named = path.parent if path.suffix.lower() in TABLE_EXTENSIONS else path
    return named.name or path.stem or "pictures"


def _header(contents: Contents, model: ModelRecord, parities: Sequence[ParityRecord]) -> str:
    """Return the YAML that the Hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    name, task = data_name(contents), HUB_TASKS[model.task]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=name.lower().replace(" ", "-"),
            dataset_name=name,
            dataset_split="test",
            metric_type=HUB_METRICS.get(metric, metric),
            metric_name=METRIC_NAMES.get(metric, metric),
            metric_value=round(value.value, 4),
        )
        for metric, value in contents.record.metrics.test.items()
        if value.value is not None and math.isfinite(value.value)
    ]
    formats = {parity.format for parity in parities}
    tags = ["unfreeze", "timm", "fine-tuned", "transfer-learning", task, *sorted(formats - {"torch"})]
    tags += ["pytorch"] if "torch" in formats else []
    said: dict[str, Any] = {
        "license": _licence(model.weights),
        "library_name": "unfreeze",
        "tags": tags,
        "metrics": sorted({HUB_METRICS.get(metric, metric) for metric in contents.record.metrics.test}),
    }
    if model.task != "regression":
        said["pipeline_tag"] = task
    base = _base_model(model)
    if base is not None:
        said["base_model"] = base
    if results:
        said |= {"model_name": f"{model.architecture.partition('.')[0]}-{name}", "eval_results": results}
    return str(ModelCardData(**said).to_yaml()).strip()


def _licence(weights: WeightsRecord) -> str:
    return "unknown" if weights.licence is None else weights.licence.lower()


def _base_model(model: ModelRecord) -> str | None:
    """Return the Hub's name of the pretrained network, where the weights are known to be those."""
    if model.weights.kind not in {"bundled", "timm"}:
        return None
    from unfreeze.backbones.naming import pretrained_settings

    settings = pretrained_settings(model.architecture)
    name = settings.get("hf_hub_id")
    if not name:
        return None
    if not name.endswith("/"):
        return str(name)
    tag = settings.get("tag")
    return f"{name}{model.architecture.partition('.')[0]}{'.' + tag if tag else ''}"


def _what(contents: Contents, model: ModelRecord) -> Iterator[str]:
    """Say what the network does, in a few sentences."""
    names = [*model.outputs[:N_NAMED]]
    more = len(model.outputs) - len(names)
    shown = listed([*names, f"{more} more"] if more else names)
    yield {
        "classification": f"It tells {len(model.outputs)} classes of pictures apart: {shown}.",
        "multilabel": f"It finds {len(model.outputs)} labels in pictures: {shown}.",
        "regression": f"It predicts {shown} from pictures.",
    }[model.task]
    height, width = model.size
    yield (
        f"{model.architecture} with {count(model.n_parameters)} parameters, at {width} × {height} pixels, learned it "
        f"from {count(contents.record.data.split_counts.get('train', 0))} pictures."
    )
    if model.task != "regression" and model.temperature != 1:
        yield "Its probabilities are calibrated on validation pictures."
    if model.conformal is not None:
        yield (
            f"With the thresholds in the files' metadata it gives prediction "
            f"{'intervals' if model.task == 'regression' else 'sets'} that hold the truth in "
            f"{100 * model.conformal.level:g}% of cases."
        )


def _metrics(contents: Contents) -> Iterator[str]:
    """Return the table of test metrics with their intervals."""
    record = contents.record
    n = record.data.split_counts.get("test", 0)
    yield f"On {count(n)} test pictures, which nothing was trained or chosen on:\n"
    yield "| metric | test | 95% interval | |"
    yield "|---|---|---|---|"
    for name, value in record.metrics.test.items():
        title = METRIC_NAMES.get(name, name)
        note = METRIC_NOTES.get(name, "")
        yield f"| {title} | {figure(name, value.value)} | {interval(name, value)} | {note} |"


def _use(model: ModelRecord, parities: Sequence[ParityRecord]) -> Iterator[str]:
    """Return a few lines of Python for each file."""
    for parity in parities:
        fixed = (
            "" if parity.input == "any size" else f" It takes pictures of {model.size[1]} × {model.size[0]} px only."
        )
        script = shlex.quote(parity.file + EXAMPLE_SUFFIX)
        yield f"{_code(parity.file)}; as a program: {_code(f'python {script} picture.jpg')}.{fixed}"
        yield f"```python\n{usage(parity.file, parity.format, model.task)}```"
    if parities:
        yield (
            "The scripts read pictures as training does: upright, 8-bit RGB, opacity composited on white, large JPEGs "
            f"at a reduced scale.{_depth(model)} Give the files such pixels where other code decodes; resizing (where "
            "the file takes any size), normalisation, calibration and units are inside. Pictures of one batch have one "
            "size."
        )


def _depth(model: ModelRecord) -> str:
    if model.depth_range is None:
        return ""
    low, high = model.depth_range
    return f" Of pictures with more than 8 bits {low:g} to {high:g} becomes 0 to 255."


def _code(text: str) -> str:
    """Return text as code in Markdown, whatever is in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def _files(parities: Sequence[ParityRecord]) -> Iterator[str]:
    """Return the table of exported files with how near they are to the network that was trained."""
    yield "| file | from the same pixels | prediction | from file to file | ms a picture |"
    yield "|---|---|---|---|---|"
    for parity in parities:
        same, own, bar = parity.same_pixels, parity.file_to_file, r"\|"
        yield (
            f"| {_code(parity.file).replace('|', bar)} | {same.largest_difference:.1e} | {_share(same)} | "
            f"{'not measured' if own is None else f'{own.largest_difference:.1e}, prediction {_share(own)}'} | "
            f"{parity.speed.export_ms:.1f} |"
        )
    yield (
        "\nLargest difference of a score to the network that was trained, and the share of equal predictions: given "
        "the same decoded pixels, and with each reading the file its own way (training's decoder and Pillow)."
    )


def _share(agreement: Agreement) -> str:
    share = agreement.top1_agreement
    return "–" if share is None else f"{100 * share:.4g}% of {agreement.n_pictures}"


def _rights(weights: WeightsRecord) -> Iterator[str]:
    """Say whose terms bind the network."""
    if weights.licence is None:
        yield "The licence of the pretrained weights is not known here; find it out before you pass the network on."
    yield "The pictures that it learned from may have terms of their own, which no record tells."
