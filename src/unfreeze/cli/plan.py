"""`unfreeze plan`: what a training would do, before anything trains."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import NETWORK, OUTPUT, PLAN, JsonFlag
from unfreeze.cli.wording import bytes_text, count_text, percent_text, rate_text
from unfreeze.plans import PhaseSummary, summarise

__all__ = ["plan"]


def plan(
    model: Annotated[str, Parameter(help="A timm network by name, or a finished RUN.")],
    /,
    *,
    strategy: Annotated[
        str | None, Parameter(group=PLAN, help="A strategy's name or a selector. [default: head]")
    ] = None,
    plan: Annotated[Path | None, Parameter(group=PLAN, help="A plan file (TOML) instead.")] = None,
    epochs: Annotated[int | None, Parameter(group=PLAN, help="Epochs in all. [default: 10]")] = None,
    lr: Annotated[float | None, Parameter(group=PLAN, help="The head's rate. [default: 1e-3]")] = None,
    solver: Annotated[
        Literal["adamw", "sgd"] | None, Parameter(group=PLAN, help="The optimizer. [default: adamw]")
    ] = None,
    size: Annotated[
        int | None, Parameter(group=NETWORK, help="Height and width of the input, px. [default: the network's own]")
    ] = None,
    hidden: Annotated[
        int | None, Parameter(group=NETWORK, help="Units of a hidden layer in the head. [default: none]")
    ] = None,
    batch_size: Annotated[int, Parameter(group=PLAN, help="For the estimate of memory.")] = 32,
    toml: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Print the plan as TOML, to edit and train with --plan.", show_default=False),
    ] = False,
    json: JsonFlag = False,
) -> Answer:
    """Show what a plan trains in each phase, at which rates, and what it costs; nothing trains.

    Below "computed once" stands the share of a picture's multiply-adds that lie before the first layer that trains.
    """
    import unfreeze as uf

    given = {
        "strategy": strategy,
        "plan": None if plan is None else str(plan),
        "epochs": epochs,
        "lr": lr,
        "solver": solver,
        "size": size,
        "hidden": hidden,
        "batch_size": batch_size,
    }
    made = uf.plan_for(model, **{name: value for name, value in given.items() if value is not None})
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
        return Answer(payload=payload, shown=[text.rstrip("\n")])
    return Answer(
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
    Column(title="computed once", right=True),
    Column(title="memory", right=True),
)


def _row(phase: PhaseSummary) -> list[str]:
    rates = rate_text(phase.max_lr)
    if phase.min_lr != phase.max_lr:
        rates = f"{rate_text(phase.min_lr)} to {rates}"
    groups = phase.last_group if phase.n_groups == 1 else f"{phase.first_group} … {phase.last_group}"
    return [
        phase.name,
        str(phase.epochs),
        groups,
        count_text(phase.n_trained),
        rates,
        phase.schedule,
        phase.norm,
        percent_text(phase.cached_share),
        bytes_text(phase.n_bytes),
    ]


def _payload(phase: PhaseSummary) -> dict[str, Any]:
    names = PhaseSummary.__dataclass_fields__
    return {name: getattr(phase, name) for name in names}
