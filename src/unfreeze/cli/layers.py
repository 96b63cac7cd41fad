"""`unfreeze layers`: what a network consists of, and how to name it."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import NETWORK, JsonFlag, WholeNumber
from unfreeze.cli.wording import count_text

if TYPE_CHECKING:
    from unfreeze.layers import LayerGroup, Layers

__all__ = ["layers_command"]


def layers_command(
    model: Annotated[str, Parameter(help="A timm network by name, or a finished RUN.")],
    /,
    *,
    size: Annotated[
        WholeNumber | None,
        Parameter(group=NETWORK, help="Height and width of the input, px. [default: the network's own]"),
    ] = None,
    hidden: Annotated[
        WholeNumber | None, Parameter(group=NETWORK, help="Units of a hidden layer in the head. [default: none]")
    ] = None,
    json: JsonFlag = False,
) -> Answer:
    """Show a network's stages and layer groups, from input to output, with their sizes and selectors."""
    import unfreeze as uf

    # By a strategy that leaves the network its own size; its layers are the same by all.
    found = uf.plan_for(model, strategy="full", size=size, hidden=hidden).layers
    return Answer(
        as_json=json,
        payload=_payload(found),
        shown=[
            _heading(found),
            TableOf(columns=_COLUMNS, rows=_rows(found)),
            _legend(found),
        ],
    )


_COLUMNS = (
    Column(title="stage", whole=True),
    Column(title="layer group", whole=True),
    Column(title="layers", right=True),
    Column(title="parameters", right=True),
    Column(title="multiply-adds", right=True),
    Column(title="train from here on", whole=True),
)


def _heading(found: "Layers") -> str:
    return (
        f"{found.model}: {count_text(found.n_parameters)} parameters in {len(found.leaves)} layers, "
        f"{len(found.stages) - 1} stages, {len(found.groups) - 1} layer groups and the head."
    )


def _legend(found: "Layers") -> str:
    pixels = "" if found.size is None else f" at {found.size[1]}x{found.size[0]} px"
    return (
        f'Multiply-adds are for one picture{pixels}. "Train from here on" is a selector for --strategy: '
        "it trains that row and all below it. Any name in the table is a selector too."
    )


def _rows(found: "Layers") -> list[list[str]]:
    rows = []
    n_stages, n_groups = len(found.stages), len(found.groups)
    seen = 0
    for stage_index, stage in enumerate(found.stages):
        for index, group in enumerate(stage.groups):
            by_stage, by_group = n_stages - 1 - stage_index, n_groups - 1 - seen
            selector = f"stages:{by_stage}" if index == 0 else f"groups:{by_group}"
            rows.append(
                [
                    stage.name if index == 0 else "",
                    group.name,
                    str(len(group.leaves)),
                    count_text(_n_parameters(group)),
                    count_text(_n_macs(group)) if _n_macs(group) else "–",
                    selector if by_group else "head",
                ]
            )
            seen += 1
    return rows


def _payload(found: "Layers") -> dict[str, Any]:
    return {
        "model": found.model,
        "size": None if found.size is None else list(found.size),
        "n_parameters": found.n_parameters,
        "stages": [
            {
                "name": stage.name,
                "groups": [
                    {
                        "name": group.name,
                        "n_parameters": _n_parameters(group),
                        "macs": _n_macs(group),
                        "leaves": [
                            {
                                "name": leaf.name,
                                "kind": leaf.kind,
                                "n_parameters": sum(p.n_elements for p in leaf.parameters),
                            }
                            for leaf in group.leaves
                        ],
                    }
                    for group in stage.groups
                ],
            }
            for stage in found.stages
        ],
    }


def _n_parameters(group: "LayerGroup") -> int:
    return sum(parameter.n_elements for leaf in group.leaves for parameter in leaf.parameters)


def _n_macs(group: "LayerGroup") -> int:
    return sum(leaf.macs for leaf in group.leaves)
