"""What resuming needs, in one file, so that its parts cannot come from different steps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fststyle.checkpoints.files import load_tensors, save_tensors
from fststyle.checkpoints.style import STATE
from fststyle.config import LoopConfig
from fststyle.training.distributed import DistributedContext

SavedState = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors and JSON values, as ``TrainingState.capture`` returns them; out of a file with the card
of the network's file beside them."""


@dataclass
class TrainingState:
    """Network, optimizer, random state and position; ``step`` counts optimizer steps taken.

    ``samples`` counts the photos used up. It runs ahead of step × batch size after a roll-back,
    since the photos that led to it are not taken again. ``sums`` are those of ``batches`` losses
    since the last report. ``seconds`` are those spent in the loop, where the settings count them.
    ``memory`` is what else the task has to remember. Random numbers need no state: each step seeds
    them anew.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    samples: int = 0
    rollbacks: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    batches: int = 0
    seconds: float = 0.0
    memory: dict[str, Tensor] = field(default_factory=dict)

    def progress(self, config: LoopConfig) -> tuple[float, float]:
        """(done, in all): steps, or seconds where ``config`` counts these."""
        if config.seconds is None:
            return self.step, config.steps
        return self.seconds, config.seconds

    def capture(self) -> SavedState:
        """(tensors, JSON values): a copy on the CPU that later steps leave alone."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        optimizer = self.optimizer.state_dict()
        for index, values in optimizer["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in values.items()}
        tensors |= {f"sums.{k}": v for k, v in self.sums.items()}
        tensors |= {f"memory.{k}": v for k, v in self.memory.items()}
        values = {
            "kind": "training_state",
            "step": self.step,
            "samples": self.samples,
            "rollbacks": self.rollbacks,
            "batches": self.batches,
            "seconds": self.seconds,
            "param_groups": optimizer["param_groups"],
            "scaler": self.scaler.state_dict(),
        }
        return {k: v.detach().cpu().clone() for k, v in tensors.items()}, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up what ``capture`` returned."""
        parts: dict[str, dict[str, Tensor]] = {
            name: {} for name in ("network", "optimizer", "sums", "memory")
        }
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        self.network.load_state_dict(parts["network"])
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        device = parameters[0].device
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, _, key = name.partition(".")
            parameter = parameters[int(index)]
            # A copy, since load_state_dict may keep the tensor itself and a snapshot must survive
            # the next step; in its parameter's memory layout, which files do not keep and fused
            # optimizers rely on without a check.
            like = parameter if tensor.shape == parameter.shape else tensor
            state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(tensor)
        groups = {"state": state, "param_groups": values["param_groups"]}
        self.optimizer.load_state_dict(groups)
        if values["scaler"]:
            self.scaler.load_state_dict(values["scaler"])
        self.step, self.samples = values["step"], values["samples"]
        self.rollbacks, self.batches = values["rollbacks"], values.get("batches", 0)
        self.seconds = values.get("seconds", 0.0)
        self.sums = {name: tensor.to(device) for name, tensor in parts["sums"].items()}
        self.memory = {name: tensor.to(device) for name, tensor in parts["memory"].items()}


def starting_state(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    precision: str,
    saved: SavedState | None,
    folder: Path,
    context: DistributedContext,
) -> TrainingState:
    """The state before the first step, or what was ``saved`` in the run's ``folder``."""
    scaler = torch.amp.GradScaler(context.device.type, enabled=precision == "fp16")
    state = TrainingState(network, optimizer, scaler)
    if saved is not None:
        resume(state, saved, folder / STATE)
        context.say(f"going on from step {state.step}")
    return state


def resume(state: TrainingState, saved: SavedState, file: Path) -> None:
    """``restore`` what was ``saved`` in ``file``; raises ValueError where it does not fit."""
    try:
        state.restore(*saved)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ValueError(
            f"{file}: damaged, or of another version of fststyle ({reason}); begin"
            " another run, with --init and its network's file"
        ) from error


def save_state(path: Path, state: TrainingState, card: dict[str, Any]) -> None:
    """Write ``state``, whole or not at all; raises OSError where the disk refuses."""
    tensors, values = state.capture()
    save_tensors(path, tensors, {**card, **values})


def load_state(path: Path) -> SavedState:
    """(tensors, JSON values with the card) for ``TrainingState.restore``.

    Raises FileNotFoundError or ValueError with the reason.
    """
    tensors, values = load_tensors(path)
    if values.get("kind") != "training_state":
        raise ValueError(f"{path}: holds a {values.get('kind')!r}, not the state of a training run")
    return tensors, values
