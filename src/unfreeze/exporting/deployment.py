"""The network as it is deployed: decoded pictures in, what a user reads out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unfreeze.backbones import output_scores

if TYPE_CHECKING:
    from unfreeze.backbones import Network
    from unfreeze.records import TaskName

__all__ = ["INPUT", "Deployment", "deploy", "example_pictures", "open_axes", "output_names"]

INPUT = "images"
N_EXAMPLE = 2  # pictures that graphs are traced with: one alone would be taken for a constant
OTHER_SIDE = 7  # pixels by which examples of any size differ from the network's, so that its own is no constant


class Deployment(nn.Module):
    """A network with everything around it that decides what a user reads.

    Args:
        network: a fine-tuned network.
        resize: what brings pictures of any size to the network's; None: they have it.
    """

    def __init__(self, network: Network, *, resize: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.resize = resize

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return what `output_names` names.

        Args:
            images: uint8 (B, 3, h, w), RGB.

        Returns:
            Of classes float32 probabilities (B, n), calibrated, and int64 predictions (B,): the class that
            `unfreeze predict` names, which is the most probable one unless training was balanced (docs/adr/0007). Of
            labels probabilities (B, n) and predictions (B, n) of 0 and 1. Of a regression values (B, n), in the
            targets' units.
        """
        outputs = self.network(images if self.resize is None else self.resize(images))
        scores = output_scores(outputs, self.network.record)
        match self.network.record.task:
            case "classification":
                return scores, outputs.argmax(dim=1)
            case "multilabel":
                return scores, (outputs >= 0).to(torch.int64)  # a sigmoid of one half or more
            case "regression":
                return (scores,)


def deploy(network: Network, *, resize: nn.Module | None = None) -> Deployment:
    """Return a network's deployment on copies of its modules, which share its weights and need no gradient."""
    shared: dict[int, object] = {
        id(each): nn.Parameter(each.detach(), requires_grad=False) for each in network.parameters()
    }
    return Deployment(copy.deepcopy(network, shared), resize=resize).eval()


def example_pictures(deployment: Deployment) -> Tensor:
    """Return blank pictures to trace with: uint8 (2, 3, h, w), of another size than the network's if any will do."""
    height, width = deployment.network.spec.size
    if deployment.resize is not None:
        height, width = height + OTHER_SIDE, width + 2 * OTHER_SIDE
    return torch.zeros((N_EXAMPLE, 3, height, width), dtype=torch.uint8)


def open_axes(deployment: Deployment) -> tuple[int, ...]:
    """Return the axes of its pictures that may have any length."""
    return (0,) if deployment.resize is None else (0, 2, 3)


def output_names(task: TaskName) -> tuple[str, ...]:
    """Return what a deployment gives, in its order."""
    return ("values",) if task == "regression" else ("probabilities", "prediction")
