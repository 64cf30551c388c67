"""Several processes that train one network, as torchrun starts them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fststyle.utils.device import find_device


@dataclass(frozen=True)
class DistributedContext:
    """This process among all: ``rank`` of ``size``, ``local_rank`` of ``local_size`` on its
    machine, and the device it computes on."""

    rank: int
    size: int
    device: torch.device
    local_rank: int = 0
    local_size: int = 1

    @property
    def ranks_here(self) -> range:
        """Those of the processes on this machine."""
        first = self.rank - self.local_rank
        return range(first, first + self.local_size)

    @property
    def is_main_process(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def say(self, line: str) -> None:
        """Print ``line``, in the leading process alone."""
        if self.is_main_process:
            print(line)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over all processes."""
        if self.size == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids)

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process; waits for all of them."""
        return self.any_of(torch.tensor([flag]))[0]

    def any_of(self, flags: Tensor) -> list[bool]:
        """Which of N boolean ``flags`` are true in any process."""
        flags = flags.to(self.device, torch.float32)
        if self.size > 1:
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return [flag > 0 for flag in flags.tolist()]

    def mean(self, value: Tensor) -> Tensor:
        """Of floats over all processes, each by itself."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.size
        return value

    def gather(self, names: Sequence[str]) -> list[str]:
        """The ``names`` of all processes, in their order."""
        if self.size == 1:
            return list(names)
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, list(names))
        return [name for part in gathered for name in part]


@contextmanager
def distributed_context(device: str) -> Iterator[DistributedContext]:
    """The processes that torchrun's environment describes; this one alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield DistributedContext(0, 1, find_device(device))
        return
    assigned = find_device(device)
    if assigned.type == "cuda":
        assigned = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(assigned)
    dist.init_process_group("nccl" if assigned.type == "cuda" else "gloo")
    try:
        local_rank = int(os.environ.get("LOCAL_RANK", 0))
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", 0))
        yield DistributedContext(dist.get_rank(), size, assigned, local_rank, local_size or size)
    finally:
        dist.destroy_process_group()
