"""What is measured, as data: the trainings, and who takes part in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CONTESTANTS", "SCENARIOS", "UNFREEZE", "WARM", "Contestant", "Scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One training that everybody does.

    Attributes:
        name: Its key in the results.
        title: What a table calls it.
        strategy: What unfreeze is told.
        epochs: Epochs in all.
        head_epochs: The first so many train the head alone, as the strategy has it.
        train: What the peers train afterwards: modules of timm's network, or ("all",).
        lr: The head's rate while it trains alone, or from the start where all layers train.
        lr_body: The rate of the rest, and of the head beside it where it trained alone before.
    """

    name: str
    title: str
    strategy: str
    epochs: int
    head_epochs: int
    train: tuple[str, ...] = ()
    lr: float = 1e-3
    lr_body: float = 1e-4

    @property
    def has_prefix(self) -> bool:
        """Whether some layers never train, so that there is something to compute once."""
        return self.train != ("all",)

    def shortened(self, epochs: int) -> Scenario:
        """Return the scenario with other epochs, for a first try; the head keeps its share of them."""
        share = round(epochs * self.head_epochs / self.epochs)
        return Scenario(
            name=self.name,
            title=self.title,
            strategy=self.strategy,
            epochs=epochs,
            head_epochs=share,
            train=self.train,
            lr=self.lr,
            lr_body=self.lr_body,
        )


# Epochs, rates and modules are those of `unfreeze plan tf_efficientnet_lite0 --strategy …`.
SCENARIOS = (
    Scenario(name="head-10", title="head, 10 epochs", strategy="head", epochs=10, head_epochs=10, lr=3e-3),
    Scenario(name="head-30", title="head, 30 epochs", strategy="head", epochs=30, head_epochs=30, lr=3e-3),
    Scenario(
        name="last-stage",
        title="last stage, 10 epochs (4 of them the head alone)",
        strategy="stages:1",
        epochs=10,
        head_epochs=4,
        train=("blocks.6", "conv_head", "bn2"),
    ),
    Scenario(name="full", title="all layers, 10 epochs", strategy="full", epochs=10, head_epochs=0, train=("all",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Somebody who trains.

    Attributes:
        name: Its key in the results.
        title: What a table calls it.
        script: Its program in peers/; None for unfreeze, which is started by its own command.
        scenarios: What it can do; everything by default.
        cache: Whether it may find what another training of unfreeze has computed.
        options: What unfreeze is told besides.
    """

    name: str
    title: str
    script: str | None
    scenarios: tuple[str, ...] = tuple(scenario.name for scenario in SCENARIOS)
    cache: Literal["empty", "filled"] = "empty"
    options: tuple[str, ...] = ()


HEADS = ("head-10", "head-30")
UNFREEZE = Contestant(name="unfreeze", title="unfreeze", script=None)
WARM = Contestant(
    name="unfreeze-warm",
    title="unfreeze, another seed on a filled cache",
    script=None,
    scenarios=(*HEADS, "last-stage"),
    cache="filled",
)
BF16 = Contestant(
    name="unfreeze-bf16",
    title="unfreeze `--precision bf16`",
    script=None,
    scenarios=(*HEADS, "full"),
    options=("--precision", "bf16"),
)
CONTESTANTS = (
    UNFREEZE,
    WARM,
    BF16,
    Contestant(name="plain", title="plain PyTorch + timm loop", script="plain.py"),
    Contestant(name="fastai-fit", title="fastai `freeze` + `fit`", script="fastai_fit.py"),
    Contestant(name="fastai-fine-tune", title="fastai `fine_tune`", script="fastai_fine_tune.py", scenarios=("full",)),
    Contestant(name="lightning", title="Lightning `BackboneFinetuning`", script="lightning_backbone.py"),
    Contestant(name="finetuning-scheduler", title="finetuning-scheduler", script="finetuning_scheduler_phases.py"),
    Contestant(name="keras", title="classic Keras program (MobileNetV2)", script="keras_classic.py", scenarios=HEADS),
)
