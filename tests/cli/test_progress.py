from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from unfreeze.cli.progress import LiveProgress, PlainProgress, epoch_text, phase_text, watching
from unfreeze.training.progress import EpochInfo, PhaseInfo, StepInfo

if TYPE_CHECKING:
    import pytest

PHASE = PhaseInfo(
    index=1, n_phases=3, name="from layer4", epochs=3, n_steps=39, n_trained=14_900_000, n_parameters=23_500_000,
    trained="layer4.0 … head", lr_min=1e-5, lr_max=1e-4, norm="eval", metric="balanced_accuracy",
)  # fmt: skip
EPOCH = EpochInfo(
    epoch=4, n_epochs=10, phase="from layer4", train_loss=0.51, val_loss=0.48, metric="balanced_accuracy",
    value=0.8125, best=True, lr=1e-4, seconds=12.2,
)  # fmt: skip
STEP = StepInfo(step=13, n_steps=39, epoch=4, loss=0.5, lr=9.5e-5, seconds_left=83.0)


def test_a_phase_says_what_trains_and_at_which_rates() -> None:
    assert phase_text(PHASE) == (
        'Phase 2 of 3 "from layer4": 3 epochs, trains layer4.0 … head (14.9 M of 23.5 M parameters), '
        "rates 1e-5 to 1e-4, norm eval"
    )
    assert "1 epoch, " in phase_text(replace(PHASE, epochs=1))
    assert "rates 1e-4, " in phase_text(replace(PHASE, lr_min=1e-4))


def test_an_epoch_says_losses_metric_and_whether_it_is_the_best() -> None:
    assert epoch_text(EPOCH) == (
        "  epoch  5/10  from layer4  loss 0.510  val loss 0.480  balanced_accuracy 0.812  12 s  best so far"
    )
    assert not epoch_text(replace(EPOCH, best=False)).endswith("best so far")


def test_without_a_terminal_there_is_a_line_an_epoch_and_none_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as progress:
        assert isinstance(progress, PlainProgress)
        progress.stage("Reading pictures")
        for n in range(1, 4):
            progress.scanned(n, 3)
        progress.note("a picture was left out")
        progress.phase(PHASE)
        progress.step(STEP)
        progress.epoch(EPOCH)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "Reading pictures",
        "  3 pictures read",
        "note: a picture was left out",
        phase_text(PHASE),
        epoch_text(EPOCH),
    ]


def test_on_a_terminal_the_bar_shows_step_loss_rate_metric_and_time_left() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=140, color_system=None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        progress = LiveProgress(live)
        progress.stage("Loading resnet50")
        progress.scanned(5, 10)
        progress.note("[bold]a name in brackets is no markup")
        progress.phase(PHASE)
        progress.epoch(EPOCH)
        progress.step(STEP)
        live.refresh()
    shown = file.getvalue()
    assert "step 13/39  epoch 5  loss 0.500  rate 9.5e-5  balanced_accuracy 0.812  1:23 min left" in shown
    assert "[bold]a name in brackets is no markup" in shown
    assert phase_text(PHASE) in shown.replace("\r\n", "\n")
