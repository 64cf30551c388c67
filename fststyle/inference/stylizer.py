"""An exported style network, ready to run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from onnxruntime import OrtValue

from fststyle.inference.session import as_fed, as_frames, open_session, running

if TYPE_CHECKING:
    from fststyle.inference.tiling import Tiles


class Stylizer:
    """A style network from an ONNX file; arguments and errors are ``open_session``'s.

    Attributes:
        provider: the execution provider that runs, a key of ``session.PROVIDERS``.
        card: what the file says of itself.
    """

    def __init__(self, model: Path, provider: str = "auto", threads: int | None = None) -> None:
        opened = open_session(model, provider, threads, output="output", holds="style network")
        self.model = model
        self._threads = threads
        self._session, self.provider, self.card, self._uint8 = opened
        self._scalars = {i.name for i in self._session.get_overridable_initializers()}
        self._shape = self._session.get_inputs()[0].shape  # names where any size will do
        self._tiles: Tiles | None = None
        self._buffers: tuple[OrtValue, OrtValue] | None = None

    def __call__(
        self, frames: np.ndarray, *, strength: float = 1.0, keep_colour: bool = False
    ) -> np.ndarray:
        """N×H×W×3 uint8 RGB to the same, stylized.

        Args:
            strength: 1 for the stylized picture, 0 for the original, between them a mixture.
            keep_colour: keep the original's chroma.

        Raises ValueError where a side is shorter than 16 pixels, where the file is for pictures of
        another size, or older than these options.
        """
        _, height, width, _ = frames.shape
        _check_size(height, width)
        given = self._given(strength, keep_colour)
        fed = as_fed(frames, self._uint8)
        if any(isinstance(n, int) and n != m for n, m in zip(self._shape, fed.shape, strict=True)):
            count, *size = (self._shape[i] for i in ((0, 2, 1) if self._uint8 else (0, 3, 2)))
            raise ValueError(
                f"{self.model} takes {count} picture of {'x'.join(map(str, size))} pixels at a time"
                f" (export --static), not {len(frames)} of {width}x{height}"
            )
        with running(self.model):
            # ONNX Runtime binds no inputs that have defaults.
            output = self._run(fed, given) if given else self._run_bound(fed)
        return as_frames(output)

    def _run(self, fed: np.ndarray, given: Mapping[str, np.ndarray]) -> np.ndarray:
        output = self._session.run(None, {"content": fed, **given})[0]
        if output.shape != fed.shape or output.dtype != fed.dtype:
            raise ValueError(
                f"{self.model}: damaged: of pictures as {fed.dtype} {fed.shape} it makes"
                f" {output.dtype} {output.shape}"
            )
        return output

    def _run_bound(self, fed: np.ndarray) -> np.ndarray:
        """Input and output have buffers where the provider computes, used again while the size
        stays: on a GPU a frame is copied there and back once, and nothing is allocated."""
        on_gpu = self.provider in ("cuda", "tensorrt")
        if self._buffers is None or tuple(self._buffers[0].shape()) != fed.shape:
            output = self._run(fed, {})  # whose shape is certain now: buffers are written blindly
            make = OrtValue.ortvalue_from_shape_and_type
            device = "cuda" if on_gpu else "cpu"
            self._buffers = make(fed.shape, fed.dtype, device), make(fed.shape, fed.dtype, device)
            return output
        source, target = self._buffers
        source.update_inplace(fed)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("content", source)
        binding.bind_ortvalue_output("output", target)
        self._session.run_with_iobinding(binding)
        output = target.numpy()  # from a GPU a copy, else the buffer itself
        return output if on_gpu else output.copy()

    def tiled(
        self,
        picture: np.ndarray,
        pixels: int,
        *,
        strength: float = 1.0,
        keep_colour: bool = False,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> np.ndarray:
        """One picture, H×W×3 uint8, as ``__call__`` stylizes it, in memory for ``pixels`` of it;
        see ``Tiles`` for the other arguments."""
        height, width, _ = picture.shape
        _check_size(height, width)
        given = self._given(strength, keep_colour)
        if self._tiles is None:
            from fststyle.inference.tiling import Tiles

            try:
                self._tiles = Tiles(self.model, self.provider, self._threads)
            except ValueError as error:
                raise ValueError(f"{self.model}: {error}") from error
        with running(self.model):
            return self._tiles(picture, pixels, given, folder=folder, progress=progress)

    def _given(self, strength: float, keep_colour: bool) -> dict[str, np.ndarray]:
        """The scalar inputs that differ from their defaults."""
        given: dict[str, np.ndarray] = {}
        if strength != 1:
            given["strength"] = np.array(strength, np.float32)
        if keep_colour:
            given["keep_colour"] = np.array(1, np.float32)
        for name in given.keys() - self._scalars:
            raise ValueError(f"{self.model} has no {name}: export it again with this version")
        return given


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 16:
        raise ValueError(f"{width}x{height} pixels; at least 16x16 are needed")
