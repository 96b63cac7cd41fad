"""`unfreeze plan`: what a training would do, before anything trains."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import OUTPUT, JsonFlag, PlanFlags, options_from
from unfreeze.cli.wording import bytes_text, count_text, percent_text, rate_text, selection_text
from unfreeze.options import check_options
from unfreeze.records import TrainOptions

if TYPE_CHECKING:
    from unfreeze.plans import PhaseSummary

__all__ = ["plan_command"]


def plan_command(
    model: Annotated[str, Parameter(help="A timm network by name, or a finished RUN.")],
    /,
    *,
    flags: Annotated[PlanFlags | None, Parameter(name="*")] = None,
    toml: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Print the plan as TOML, to edit and train with --plan.", show_default=False),
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """Show what a plan trains in each phase, at which rates, and what it costs; nothing trains.

    Below "frozen prefix" stands the share of a picture's multiply-adds that lie before the first layer that trains.
    """
    import unfreeze as uf
    from unfreeze.plans import summarise

    options = options_from(flags or {})
    check_options(TrainOptions(model=model, **options), given=frozenset(options))
    made = uf.plan_for(model, **options)
    batch_size = options.get("batch_size", TrainOptions().batch_size)
    text = made.to_toml()
    phases = summarise(made, batch_size=batch_size)
    payload = {
        "model": made.layers.model,
        "epochs": made.epochs,
        "n_parameters": made.layers.n_parameters,
        "phases": [_payload(phase) for phase in phases],
        "toml": text,
    }
    if toml:
        return Answer(as_json=json, payload=payload, shown=[text.rstrip("\n")])
    return Answer(
        as_json=json,
        payload=payload,
        shown=[
            f"{made.layers.model}: {count_text(made.layers.n_parameters)} parameters, {made.epochs} epochs in all.",
            TableOf(columns=_COLUMNS, rows=[_row(phase) for phase in phases]),
            f"Memory is an estimate for batches of {batch_size} in fp32.",
        ],
    )


_COLUMNS = (
    Column(title="phase", whole=True),
    Column(title="epochs", right=True),
    Column(title="trains"),
    Column(title="parameters", right=True),
    Column(title="rates"),
    Column(title="schedule"),
    Column(title="norm"),
    Column(title="frozen prefix", right=True),
    Column(title="memory", right=True),
)


def _row(phase: "PhaseSummary") -> list[str]:
    steps = phase.solver != "lbfgs"
    rates = rate_text(phase.max_lr) if steps else "–"
    if phase.min_lr != phase.max_lr:
        rates = f"{rate_text(phase.min_lr)} to {rates}"
    groups = phase.last_group if phase.n_groups == 1 else f"{phase.first_group} … {phase.last_group}"
    return [
        phase.name,
        str(phase.epochs),
        groups,
        count_text(phase.n_trained),
        rates,
        phase.schedule if steps else "L-BFGS" + selection_text(phase.select_features),
        phase.norm,
        percent_text(phase.cached_share),
        bytes_text(phase.n_bytes),
    ]


def _payload(phase: "PhaseSummary") -> dict[str, Any]:
    return dataclasses.asdict(phase)
