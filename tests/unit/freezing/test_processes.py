"""Several processes: flags are set before the network is wrapped, and it is wrapped again when a phase begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import json, os, sys
import torch
import torch.distributed as dist
import unfreeze as uf
from torch.nn.parallel import DistributedDataParallel
from unfreeze.backbones import load_network
from unfreeze.plans import make_plan

rank, store, wraps_again = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "again"
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.set_num_threads(1)
network = load_network("test_resnet", task="classification", outputs=("a", "b"), size=32, pretrained=False)
plan = make_plan("stages:1", network.layers, epochs=2)
optimizer = torch.optim.AdamW(uf.param_groups(network, plan))
images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(rank))
wrapped = None
for step in range(2):
    network.train()
    state = uf.apply_plan(network, plan, optimizer, step=step, steps_per_epoch=1)
    if wrapped is None or (state.phase_started and wraps_again):
        wrapped = DistributedDataParallel(network)
    optimizer.zero_grad()
    wrapped(images).pow(2).sum().backward()
    optimizer.step()
gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.requires_grad])
both = [torch.empty_like(gradients) for _ in range(2)]
dist.all_gather(both, gradients)
print(json.dumps({"n": len(gradients), "alike": torch.equal(*both)}), flush=True)
dist.barrier()  # a process that ends first would take the connection from the other
dist.destroy_process_group()
os._exit(0)  # gloo's threads do not always end before the interpreter does
"""


@pytest.mark.slow
@pytest.mark.parametrize("wraps", ["again", "once"])
def test_trap_11_a_network_wrapped_again_in_each_phase_trains_alike_in_all_processes(
    tmp_path: Path, wraps: str
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WORKER]
    workers = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store"), wraps], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    printed = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(f'"alike": {str(wraps == "again").lower()}' in text for text in printed)
