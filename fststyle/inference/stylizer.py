"""A style, ready to be applied: to photos, to arrays, to the frames of a video."""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from onnxruntime import OrtValue
from PIL import Image

from fststyle.config.infer import Grain, SessionSettings, StyleControls
from fststyle.images.arrays import Frames
from fststyle.images.geometry import fit_within
from fststyle.images.io import as_rgb, read_image, without_hidden
from fststyle.images.noise import add_noise
from fststyle.images.tones import with_tones
from fststyle.inference.frames import stream_frames, stylize_array
from fststyle.inference.map_files import MapGiven, shades_given
from fststyle.inference.maps import WeightMaps
from fststyle.sessions.model_file import MAP
from fststyle.sessions.session import as_fed, as_frames, open_session, running
from fststyle.utils.failures import is_about_memory

if TYPE_CHECKING:
    from fststyle.inference.tiling import Tiles

WHOLE, TILE = 9.0, 1.0
"""Megapixels: up to how many a picture is stylized at once (3.5 GB at width 32), and how many a
tile of a larger one has (1.3 GB)."""


class Stylizer:
    """A style, made by ``load_style``: call it with a picture. Pickled it is its file's path, which
    other processes open again.

    >>> import numpy as np
    >>> import fststyle
    >>> stylize = fststyle.load_style("starry_night_live")
    >>> stylize("photo.jpg").save("starry.jpg")
    >>> stylize(np.zeros((48, 64, 3), np.uint8), strength=0.5).shape
    (48, 64, 3)

    Args:
        model: a file written by ``fststyle export``.
        provider: ONNX Runtime's execution provider: "auto", or a key of ``session.PROVIDERS`` or
            ``plugins.PLUGINS`` ("cpu", "cuda", "coreml", "webgpu" …). Where a better one fails to
            start, "auto" says why on stderr and goes on to the next.
        threads: of the CPU; None takes all cores.

    Attributes:
        provider: the one that runs.
        card: what the file says of itself.
        mapped: whether it takes a weight map, so that near and far can be set.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no style network, or a damaged one; the provider is not to be had.
    """

    def __init__(self, model: Path, provider: str = "auto", threads: int | None = None) -> None:
        self._settings = SessionSettings(provider=provider, threads=threads)
        self._threads = self._settings.threads
        opened = open_session(
            model, self._settings.provider, self._threads, output="output", holds="style network"
        )
        self.model = model
        self._session, self.provider, self.card, self._uint8 = opened
        self._controls = {i.name for i in self._session.get_overridable_initializers()}
        self.mapped = MAP in self._controls
        self._shape = self._session.get_inputs()[0].shape  # names where any size will do
        self._tiles: Tiles | None = None
        self._buffers: tuple[OrtValue, OrtValue] | None = None
        self._lock = threading.Lock()  # one at a time uses the buffers: a stream runs in a thread

    def __repr__(self) -> str:
        return f"Stylizer({str(self.model)!r}, provider={self.provider!r}, threads={self._threads})"

    def __reduce__(self) -> tuple[type["Stylizer"], tuple[Any, ...]]:
        """The file is opened again where it is unpickled, by the provider that was asked for."""
        return Stylizer, (self.model.absolute(), self._settings.provider, self._threads)

    @overload
    def __call__(
        self,
        image: Image.Image | str | os.PathLike[str],
        *,
        strength: float = ...,
        keep_color: bool = ...,
        weight_map: MapGiven = ...,
        near: float = ...,
        far: float = ...,
        focus: float | None = ...,
        mask: MapGiven = ...,
        grain: int = ...,
        tile: float | None = ...,
        max_size: int | None = ...,
        batch_size: int = ...,
    ) -> Image.Image: ...

    @overload
    def __call__(
        self,
        image: Frames,
        *,
        strength: float = ...,
        keep_color: bool = ...,
        weight_map: MapGiven = ...,
        near: float = ...,
        far: float = ...,
        focus: float | None = ...,
        mask: MapGiven = ...,
        grain: int = ...,
        tile: float | None = ...,
        max_size: int | None = ...,
        batch_size: int = ...,
    ) -> Frames: ...

    def __call__(
        self,
        image: Image.Image | str | os.PathLike[str] | Frames,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        weight_map: MapGiven = None,
        near: float = 1.0,
        far: float = 0.0,
        focus: float | None = None,
        mask: MapGiven = None,
        grain: int = StyleControls.grain,
        tile: float | None = None,
        max_size: int | None = None,
        batch_size: int = 1,
    ) -> Image.Image | Frames:
        """The picture stylized: what ``fststyle infer`` makes of it with the same options.

        Args:
            image: one of

                - the path of a picture: returned is a Pillow image, upright, RGB, or RGBA where
                  the file has transparency, which stays, as does the colour profile;
                - a Pillow image of any mode: the same;
                - H×W×3 or N×H×W×3 uint8, RGB: returned is an array of that shape.
            strength: 1 for the stylized picture, 0 for the original, between them a mixture.
            keep_color: keep the original's colours; the style gives light and shade.
            weight_map: of styles that take one: "depth", which is the default, "none", or shades,
                white = near: a picture's path, a Pillow image, or H×W, uint8 or floats in [0,1].
            near, far: how much of the picture stays where it is near and where it is far, 0 to 1.
            focus: the depth that counts as near, 0 (nearest) to 1 (farthest).
            mask: shades, white where the picture is to stay as ``near`` says, however far it is.
            grain: levels, 0 to 64 of 255, by which pixels are made to differ, and the measure by
                which light and colour vary slowly, so that plain surfaces get strokes.
            tile: megapixels done at once, in pictures that look like the whole; 0 for all; None
                for ``TILE`` in pictures above ``WHOLE``, and where memory does not hold the whole.
            max_size: reduce pictures whose longer side has more pixels.
            batch_size: of N pictures so many at once; more can be faster on a GPU.

        Raises:
            FileNotFoundError: no such file.
            TypeError: no picture, or an array of another type than uint8.
            ValueError: a damaged picture, one with a side shorter than 16 pixels, an array of
                another shape; a control out of its range, or one that the style lacks.
            MemoryError: too little memory.
        """
        given = {"shades": shades_given(weight_map), "mask": shades_given(mask)}
        controls = StyleControls(
            strength=strength,
            keep_color=keep_color,
            weight_map=weight_map if isinstance(weight_map, str | os.PathLike) else None,
            near=near,
            far=far,
            focus=focus,
            mask=mask if isinstance(mask, str | os.PathLike) else None,
            grain=grain,
            tile=tile,
            max_size=max_size,
            batch_size=batch_size,
        )
        if isinstance(image, np.ndarray):

            def stylize_frames(frames: np.ndarray) -> np.ndarray:
                _check_size(*frames.shape[1:3])
                maps = [self._weight_map(Image.fromarray(f), controls, **given) for f in frames]
                weights = None if maps[0] is None else np.stack([m for m in maps if m is not None])
                return self._stylize_frames(frames, controls, weights)

            return stylize_array(image, controls.max_size, controls.batch_size, stylize_frames)
        if isinstance(image, str | os.PathLike):
            picture = read_image(Path(image), alpha=True, max_size=controls.max_size)
        elif isinstance(image, Image.Image):
            _check_size(image.height, image.width)
            try:
                picture = as_rgb(image, alpha=True)
            except OSError as error:  # opened, and not read until now
                raise ValueError(f"not a picture that can be decoded ({error})") from error
            if controls.max_size:
                picture = fit_within(picture, controls.max_size)
        else:
            kind = type(image).__name__
            raise TypeError(f"a picture is a Pillow image, a path or an array, not {kind}")
        picture = without_hidden(picture)
        return self.stylize_image(picture, controls, self._weight_map(picture, controls, **given))

    def stream(
        self,
        frames: Iterable[Frames],
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        weight_map: str | os.PathLike[str] | None = None,
        near: float = 1.0,
        far: float = 0.0,
        focus: float | None = None,
        mask: str | os.PathLike[str] | None = None,
        grain: int = StyleControls.grain,
        steady: float | None = None,
        batch_size: int = 1,
    ) -> Generator[Frames, None, None]:
        """The frames of a video stylized, in order, each as it is ready.

        >>> import numpy as np
        >>> import fststyle
        >>> stylize = fststyle.load_style("starry_night_live")
        >>> video = (np.full((48, 64, 3), level, np.uint8) for level in range(0, 250, 50))
        >>> [frame.shape for frame in stylize.stream(video)]
        [(48, 64, 3), (48, 64, 3), (48, 64, 3), (48, 64, 3), (48, 64, 3)]

        ``frames`` is read in one thread and stylized in another, a few frames ahead of what is
        asked for, so that decoding, stylizing and what is done with the results overlap. Closed or
        left early, the threads end with the frame in hand; ``frames`` stays open.

        Args:
            frames: H×W×3 uint8, RGB, of one size or of several.
            weight_map, mask: "depth", "none", or the path of a picture, a film or a folder of
                frames; depth is averaged along time.
            steady: how far strokes stay on what they lie on, 0 (every frame by itself) to less than
                1; None for what ``infer`` does with videos.
            batch_size: as many of one size are stylized at once; others as ``__call__`` has them.

        Raises what ``__call__`` raises, and whatever ``frames`` raises, in its place in the order.
        """
        for given in (weight_map, mask):
            if not (given is None or isinstance(given, str | os.PathLike)):
                raise TypeError(f"a stream's map is a path, not {type(given).__name__}")
        controls = StyleControls(
            strength=strength,
            keep_color=keep_color,
            weight_map=weight_map,
            near=near,
            far=far,
            focus=focus,
            mask=mask,
            grain=grain,
            steady=steady,
            batch_size=batch_size,
        )
        run = partial(self.run, strength=controls.strength, keep_color=controls.keep_color)
        maps = self.weight_maps(controls, film=True)
        noise, count = self.grain(controls), controls.batch_size
        return stream_frames(frames, noise, run, count, maps, controls.steadiness())

    def grain(self, controls: StyleControls) -> Grain:
        """What pictures are given, as ``controls`` have it, before ``run`` stylizes them."""
        return controls.noise

    def weight_maps(
        self,
        controls: StyleControls,
        name: Path = Path("picture"),
        *,
        film: bool = False,
        shades: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> WeightMaps | None:
        """What gives a picture its weight map, or a video's frames theirs, as ``controls`` ask for
        them; None where none is needed. Arguments are those of ``WeightMaps``.

        Raises ValueError where one is asked for that the style does not take.
        """
        asked = controls.asks_for_map or shades is not None or mask is not None
        self.check_map(controls, asked=asked)
        if not self.mapped:
            return None
        if controls.strength == 0 or (controls.weight_map == "none" and not asked):
            return None
        return WeightMaps(
            controls,
            name,
            film=film,
            shades=shades,
            mask=mask,
            provider=self._settings.provider,
            threads=self._threads,
        )

    def check_map(self, controls: StyleControls, *, asked: bool = False) -> None:
        """Raise ValueError where ``controls`` ask for a map and the style takes none."""
        if not self.mapped and (asked or controls.asks_for_map):
            raise ValueError(
                f"{self.model} takes no weight map, which --weight-map, --near, --far, --focus and"
                " --mask are about: a style trained with --method weighted or combined does"
            )

    def _weight_map(
        self,
        image: Image.Image,
        controls: StyleControls,
        shades: np.ndarray | None,
        mask: np.ndarray | None,
    ) -> np.ndarray | None:
        maps = self.weight_maps(controls, shades=shades, mask=mask)
        return maps(image) if maps else None

    def run(
        self,
        frames: np.ndarray,
        weight_map: np.ndarray | None = None,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
    ) -> np.ndarray:
        """The network without grain, and ``with_tones``: N×H×W×3 uint8 RGB to the same, stylized.
        ``weight_map``: N×h×w float32 in [0,1], 1 where the picture is to stay.

        Raises ValueError where a side is shorter than 16 pixels, where the file is for pictures of
        another size, or older than these options.
        """
        _, height, width, _ = frames.shape
        _check_size(height, width)
        given = self._given(strength, keep_color, weight_map)
        content = as_fed(frames, self._uint8)
        sides = zip(self._shape, content.shape, strict=True)
        if any(isinstance(side, int) and side != other for side, other in sides):
            count, *size = (self._shape[i] for i in ((0, 2, 1) if self._uint8 else (0, 3, 2)))
            raise ValueError(
                f"{self.model} takes {count} picture of {'x'.join(map(str, size))} pixels at a time"
                f" (export --static), not {len(frames)} of {width}x{height}"
            )
        with running(self.model):
            if given:  # ONNX Runtime binds no inputs that have defaults
                output = as_frames(self._run(content, given))
            else:
                with self._lock:
                    output = as_frames(self._run_bound(content))
        return self._with_tones(output, frames, strength, weight_map)

    def tiled(
        self,
        frame: np.ndarray,
        pixels: int,
        weight_map: np.ndarray | None = None,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> np.ndarray:
        """One frame, H×W×3 uint8, with its h×w ``weight_map``, as ``run`` stylizes it, in memory
        for ``pixels`` of it; see ``Tiles`` for the other arguments."""
        height, width, _ = frame.shape
        _check_size(height, width)
        given = self._given(strength, keep_color, None if weight_map is None else weight_map[None])
        if self._tiles is None:
            from fststyle.inference.tiling import Tiles

            try:
                self._tiles = Tiles(self.model, self.provider, self._threads)
            except ValueError as error:
                raise ValueError(f"{self.model}: {error}") from error
        with running(self.model):
            output = self._tiles(frame, pixels, given, folder=folder, progress=progress)
        maps = None if weight_map is None else weight_map[None]
        return self._with_tones(output[None], frame[None], strength, maps)[0]

    def stylize_image(
        self,
        image: Image.Image,
        controls: StyleControls,
        weight_map: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> Image.Image:
        """A picture as ``read_image`` gives it, RGB or RGBA and upright, as ``__call__`` stylizes
        it, but for its size and its map, h×w; for ``folder`` and ``progress`` of tiles see
        ``Tiles``."""
        (output,) = self._stylize_frames(
            np.asarray(image.convert("RGB"))[None],
            controls,
            None if weight_map is None else weight_map[None],
            folder,
            progress,
        )
        stylized = Image.fromarray(output)
        if image.mode == "RGBA":
            stylized.putalpha(image.getchannel("A"))
        if "icc_profile" in image.info:
            stylized.info["icc_profile"] = image.info["icc_profile"]
        return stylized

    def _stylize_frames(
        self,
        frames: np.ndarray,
        controls: StyleControls,
        weight_maps: np.ndarray | None = None,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> np.ndarray:
        """N×H×W×3 and N×h×w, with grain, all at once or each in tiles."""
        strength, keep_color = controls.strength, controls.keep_color
        frames = add_noise(frames, self.grain(controls), kept=weight_maps)
        tile = controls.tile
        if tile is None:
            tile = TILE if frames.shape[1] * frames.shape[2] > WHOLE * 1e6 else 0
        if not tile:
            try:
                return self.run(frames, weight_maps, strength=strength, keep_color=keep_color)
            except Exception as error:  # ONNX Runtime has types of its own
                if controls.tile is not None or not is_about_memory(error):
                    raise
        pixels = round((tile or TILE) * 1e6)
        stylize = partial(
            self.tiled,
            pixels=pixels,
            strength=strength,
            keep_color=keep_color,
            folder=folder,
            progress=progress,
        )
        maps = [None] * len(frames) if weight_maps is None else weight_maps
        pairs = zip(frames, maps, strict=True)
        return np.stack([stylize(frame, weight_map=given) for frame, given in pairs])

    def _with_tones(
        self,
        output: np.ndarray,
        frames: np.ndarray,
        strength: float,
        weight_map: np.ndarray | None,
    ) -> np.ndarray:
        """What the network made of ``frames``, both N×H×W×3, as far as these are to stay."""
        if not self.mapped or (strength == 1 and weight_map is None):
            return output
        maps = np.zeros((len(frames), 1, 1)) if weight_map is None else weight_map
        kept = 1 - strength * (1 - maps)
        return np.stack([with_tones(*three) for three in zip(output, frames, kept, strict=True)])

    def _run(self, content: np.ndarray, given: Mapping[str, np.ndarray]) -> np.ndarray:
        output = self._session.run(None, {"content": content, **given})[0]
        if output.shape != content.shape or output.dtype != content.dtype:
            raise ValueError(
                f"{self.model}: damaged: of pictures as {content.dtype} {content.shape} it makes"
                f" {output.dtype} {output.shape}"
            )
        return output

    def _run_bound(self, content: np.ndarray) -> np.ndarray:
        """Input and output have buffers where the provider computes, used again while the size
        stays: on a GPU a frame is copied there and back once, and nothing is allocated."""
        on_gpu = self.provider in ("cuda", "tensorrt")
        if self._buffers is None or tuple(self._buffers[0].shape()) != content.shape:
            output = self._run(
                content, {}
            )  # whose shape is certain now: buffers are written blindly
            make = partial(
                OrtValue.ortvalue_from_shape_and_type,
                content.shape,
                content.dtype,
                "cuda" if on_gpu else "cpu",
            )
            self._buffers = make(), make()
            return output
        source, target = self._buffers
        source.update_inplace(content)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("content", source)
        binding.bind_ortvalue_output("output", target)
        self._session.run_with_iobinding(binding)
        output = target.numpy()  # from a GPU a copy, else the buffer itself
        return output if on_gpu else output.copy()

    def _given(
        self, strength: float, keep_color: bool, weight_map: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """The graph's inputs beside the picture, those that differ from their defaults."""
        given: dict[str, np.ndarray] = {}
        if strength != 1:
            given["strength"] = np.array(strength, np.float32)
        if keep_color:
            given["keep_colour"] = np.array(1, np.float32)
        if weight_map is not None:
            given[MAP] = np.asarray(weight_map, np.float32)[:, None]
        for name in given.keys() - self._controls:
            raise ValueError(f"{self.model} has no {name}: export it again with this version")
        return given


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 16:
        raise ValueError(f"{width}x{height} pixels; at least 16x16 are needed")
