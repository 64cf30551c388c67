"""TensorBoard's files, which must never stop a training."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def table(values: Mapping[str, Any]) -> str:
    """Settings as a Markdown table."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in values.items())
    return f"| setting | value |\n|---|---|\n{rows}"


class TensorBoardLogger:
    """Writes to ``folder``; where that fails, says so once and writes no more.

    ``folder`` None writes nothing (the processes that do not lead).
    """

    def __init__(self, folder: Path | None, first_step: int) -> None:
        self._writer: Any = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        # What an interrupted run wrote after its last checkpoint is about to be written again.
        purge = first_step + 1 if first_step else 0
        try:
            self._writer = SummaryWriter(str(folder), purge_step=purge)
        except OSError as error:
            self._give_up(error)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Curves, by tag."""
        for tag, value in values.items():
            self._call("add_scalar", tag, value, step)

    def images(self, tag: str, rows: list[Tensor], step: int) -> None:
        """Rows of N×3×H×W images in [0,1], one under another."""
        from torchvision.utils import make_grid

        self._call("add_image", tag, make_grid(torch.cat(rows), nrow=rows[0].shape[0]), step)

    def text(self, tag: str, text: str, step: int) -> None:
        """Markdown."""
        self._call("add_text", tag, text, step)

    def flush(self) -> None:
        """Let readers see all that was written."""
        self._call("flush")

    def close(self) -> None:
        """Write what is left."""
        self._call("close")

    def _call(self, method: str, *arguments: Any) -> None:
        if self._writer is None:
            return
        try:
            getattr(self._writer, method)(*arguments)
        except Exception as error:  # its writer thread passes on whatever the disk raised
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        print(f"TensorBoard: cannot write ({error}); going on without it", file=sys.stderr)
