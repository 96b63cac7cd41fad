"""The state of a training: its weights, its optimizer's moments, the best epochs, and one cursor that says where it is.

This is the only writer of any of them between steps, and it can be saved and taken up again bit for bit.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from unfreeze.backbones import Network
from unfreeze.metrics import is_better
from unfreeze.training.checkpoint import (
    Best,
    Cursor,
    load_checkpoint,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
    save_checkpoint,
    snapshot,
)

__all__ = ["TrainingState", "improves"]


class TrainingState:
    """Everything that changes while a network trains.

    Args:
        network: the network as the training finds it, on its device.
        optimizer: the optimizer with all param groups of the plan.
        path: the checkpoint's file.
        metric: the name of the metric that tells which epoch is best.
    """

    def __init__(self, network: Network, optimizer: torch.optim.Optimizer, *, path: Path, metric: str) -> None:
        self.network, self.optimizer = network, optimizer
        self.cursor = Cursor()
        self._path, self._metric = path, metric
        self._parameters = dict(network.named_parameters())
        self._names = {id(parameter): name for name, parameter in self._parameters.items()}
        trainable = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        self._fixed = frozenset(name for name, p in self._parameters.items() if id(p) not in trainable)
        self._start = self._snapshot()
        self._best: dict[str, Tensor] = {}
        self._phase_best: dict[str, Tensor] = {}
        self._phase_best_moments: dict[str, Tensor] = {}

    @property
    def phase_start(self) -> dict[str, Tensor]:
        """The network's tensors as the phase found them, by name, on the CPU."""
        return self._whole(self._start)

    @property
    def phase_best(self) -> dict[str, Tensor]:
        """The same at the end of the phase's best epoch so far."""
        return self._whole(self._phase_best)

    def advance(self, **changes: object) -> None:
        """Replace fields of the cursor."""
        self.cursor = msgspec.structs.replace(self.cursor, **changes)

    def count(self, *, steps: int, loss: float, n: int, seconds: float) -> None:
        """Move the cursor on by optimizer steps, the mean loss of their `n` pictures, and the time that they took."""
        cursor = self.cursor
        self.advance(
            step=cursor.step + steps,
            loss_sum=cursor.loss_sum + loss * n,
            n_seen=cursor.n_seen + n,
            seconds=cursor.seconds + seconds,
            phase_seconds=cursor.phase_seconds + seconds,
            epoch_seconds=cursor.epoch_seconds + seconds,
        )

    def end_epoch(self, now: Best) -> bool:
        """Keep the weights if this epoch is the best; return whether it is the best of the whole training."""
        best_of_phase = improves(self._metric, now, self.cursor.phase_best)
        best_of_all = improves(self._metric, now, self.cursor.best)
        weights = self._snapshot() if best_of_phase or best_of_all else {}
        if best_of_phase:
            self._phase_best = weights
            self._phase_best_moments = optimizer_tensors(self.optimizer, self._names)
        if best_of_all:
            self._best = weights
        self.advance(
            best=now if best_of_all else self.cursor.best,
            phase_best=now if best_of_phase else self.cursor.phase_best,
            n_bad_epochs=0 if best_of_phase else self.cursor.n_bad_epochs + 1,
            loss_sum=0.0,
            n_seen=0,
            epoch_seconds=0.0,
        )
        return best_of_all

    def go_back_to_phase_best(self) -> None:
        """Give network and optimizer what they held at the end of the phase's best epoch."""
        restore_network(self.network, self._phase_best)
        restore_optimizer(self.optimizer, self._phase_best_moments, self._parameters)

    def go_back_to_best(self) -> None:
        """Give the network the weights of the best epoch of the whole training."""
        restore_network(self.network, self._best)

    def begin_next_phase(self, *, n_epochs: int, **changes: object) -> None:
        """Move the cursor to the next phase, which begins where the last was best."""
        self._start, self._phase_best, self._phase_best_moments = self._phase_best, {}, {}
        self.advance(
            phase=self.cursor.phase + 1,
            step=0,
            phase_epochs=(*self.cursor.phase_epochs, n_epochs),
            phase_best=None,
            n_bad_epochs=0,
            phase_seconds=0.0,
            hashes_before={},
            selection=None,
            **changes,
        )

    def save(self) -> None:
        """Write the checkpoint."""
        sections = {
            "start": self._start,
            "best": self._best,
            "phase_best": self._phase_best,
            "network": snapshot(self.network),
            "phase_best_moments": self._phase_best_moments,
            "moments": optimizer_tensors(self.optimizer, self._names),
        }
        save_checkpoint(self._path, self.cursor, sections)

    def restore(self) -> None:
        """Take up the checkpoint.

        Raises:
            RunError: there is none, or it is damaged.
        """
        self.cursor, sections = load_checkpoint(self._path)
        restore_network(self.network, sections["network"])
        restore_optimizer(self.optimizer, sections["moments"], self._parameters)
        self._start, self._best = sections["start"], sections["best"]
        self._phase_best, self._phase_best_moments = sections["phase_best"], sections["phase_best_moments"]

    def _snapshot(self) -> dict[str, Tensor]:
        """Copy what can change: trainable parameters and all buffers."""
        return snapshot(self.network, without=self._fixed)

    def _whole(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add what no phase trains, which is now as it ever was."""
        return {name: self._parameters[name].detach().cpu() for name in self._fixed} | tensors


def improves(metric: str, now: Best, before: Best | None) -> bool:
    """Say whether an epoch is better: by the metric, and by the loss where the metric cannot tell."""
    if before is None:
        return True
    if math.isnan(now.value) or math.isnan(before.value):
        both = math.isnan(now.value) and math.isnan(before.value)
        return now.val_loss < before.val_loss if both else math.isnan(before.value)
    if now.value == before.value:
        return now.val_loss < before.val_loss
    return is_better(metric, now.value, before.value)
