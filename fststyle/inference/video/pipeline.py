"""``fststyle infer`` on videos: decode, stylize and encode side by side."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import av
import numpy as np
from PIL import Image
from tqdm import tqdm

from fststyle.config.infer import Grain
from fststyle.images.noise import NO_GRAIN
from fststyle.inference.video.folders import FolderTarget
from fststyle.inference.video.media import is_live, is_piped
from fststyle.inference.video.moving_pictures import GifTarget
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import Source
from fststyle.inference.video.standard_files import StandardOutput
from fststyle.inference.video.steady import FilmGrain, SteadyStrokes
from fststyle.inference.video.timeline import Moment
from fststyle.inference.video.writer import VideoTarget, copy_packet
from fststyle.utils.console import printable
from fststyle.utils.files import atomic_write
from fststyle.utils.threads import BackgroundWriter, prefetch

Effect = Callable[[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None], list[np.ndarray]]
"""N×H×W×3 uint8 frames, how far into the video each lies, from 0 to 1, their maps, N×h×w, and the
frames as ``Frame.mapless`` has them, to as many of the same size for every file that is written."""

Maps = Callable[[Image.Image, Moment], np.ndarray]
"""Something that is told of each frame, h×w, in their order, and of when it is shown."""


@dataclass
class VideoResult:
    """What became of a video; ``failure``, ``corrupt``, ``notes`` as ``VideoSource`` has them.
    ``files``: what was written; ``lost``: of each, how many frames its container refused."""

    frames: int = 0
    corrupt: int = 0
    failure: str = ""
    stopped: bool = False
    notes: list[str] = field(default_factory=list)
    files: Sequence[Path] = ()
    lost: Sequence[int] = ()


class Target(Protocol):
    """What takes frames; see ``VideoTarget``."""

    @property
    def lost(self) -> int: ...

    def put(self, item: Any) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class Named(Protocol):
    """What is written under another name at first."""

    path: Path


def open_target(
    stack: contextlib.ExitStack,
    path: Path,
    source: Source,
    *,
    frames: bool,
    codec: str | None,
    quality: int,
    pipe: int | None = None,
) -> tuple[Target, Named]:
    """(what writes a folder of ``frames``, a GIF or a video file, what gives it its name); at the
    end of ``stack`` it has the name ``path``, or another one that is set until then, unless an
    exception ends it. What is written to a ``pipe`` keeps no name.

    Raises ValueError with the reason.
    """
    if pipe is not None:
        output = StandardOutput(pipe)
        stack.callback(output.close)
        return VideoTarget(output, path, source, codec, quality), SimpleNamespace(path=path)
    if source.others and (frames or path.suffix.lower() == ".gif"):
        print(
            f"{printable(path)}: sound and subtitles are left out, which pictures hold none of",
            file=sys.stderr,
        )
    if frames:
        folder = FolderTarget(path)
        return folder, folder
    file = atomic_write(path)
    temporary = stack.enter_context(file)
    if path.suffix.lower() == ".gif":
        return GifTarget(temporary, path, source), file
    return VideoTarget(temporary, path, source, codec, quality), file


def unfinished_name(path: Path, *, folder: bool) -> Path:
    """A free name for what was done of a film when it was stopped, so that nobody, least of all
    ``--skip-existing``, takes it for the whole: ``film.unfinished.mp4``."""
    stem, suffix = (path.name, "") if folder else (path.stem, path.suffix)
    names = (f"{stem}.unfinished{number}{suffix}" for number in ("", *range(2, 10_000)))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def stylize_video(
    source: Source,
    targets: Sequence[Path],
    effect: Effect,
    *,
    codec: str | None,
    quality: int,
    stopped: Callable[[], bool],
    grain: Grain = NO_GRAIN,
    batch_size: int = 1,
    frames: bool = False,
    timed: bool = False,
    maps: Maps | None = None,
    mapless: bool = False,
    steady: float = 0.0,
    pipe: int | None = None,
) -> VideoResult:
    """Write one video for each of ``targets``, or where ``frames`` says so a folder of pictures;
    frames keep their time, and the source's other tracks go along. ``batch_size`` frames are
    stylized at once, with ``grain``, as ``add_noise`` has it; ``mapless`` says that ``effect`` asks
    for them without what ``maps`` do to it, too.

    ``codec`` is FFmpeg's name of the encoder, None for what fits the file; ``quality`` its constant
    rate factor. ``timed`` says that ``effect`` asks how far into the video frames lie: to know its
    end may take reading it through. ``maps`` are made beside the stylizing, in a thread of their
    own, as are motion and, as ``SteadyStrokes`` has it, averages along it for ``steady``.

    Where a ``pipe`` is given, a file descriptor, the frames go there, and the only one of
    ``targets`` says by its suffix in which container.

    What ends early, because ``stopped`` says so or since ``source`` is damaged, is a whole file up
    to there; what was stopped, unless it is a recording, is called ``unfinished``.

    Raises ValueError where a frame or a file is refused, OSError where the disk does,
    BrokenPipeError where nobody reads the pipe any more.
    """
    result = VideoResult(files=targets)
    with contextlib.ExitStack() as stack:
        stack.callback(source.close)
        first, last = source.span() if timed else (0, 0)
        encoders, named, writers = [], [], []
        for path in targets:
            writer, name = open_target(
                stack, path, source, frames=frames, codec=codec, quality=quality, pipe=pipe
            )
            named.append(name)
            writers.append(writer)
            stack.callback(writer.abandon)
            put = steadied(writer.put, steady) if steady else writer.put
            encoders.append(BackgroundWriter(put, writer.close))
            stack.callback(encoders[-1].abandon)
        noisy = with_noise(source, grain, maps, steady=bool(steady), mapless=mapless)
        decoded = prefetch(noisy)
        items = stack.enter_context(contextlib.closing(decoded))
        bar = stack.enter_context(
            tqdm(total=source.count or None, unit="frame", desc=printable(Path(source.source).name))
        )
        waiting: list[Frame] = []

        def stylize() -> None:
            times = np.array([frame.pts for frame in waiting])
            places = (times - first) / max(1, last - first)
            told = [frame.map for frame in waiting if frame.map is not None]
            plain = [frame.mapless for frame in waiting if frame.mapless is not None]
            stylized = effect(
                np.stack([frame.pixels for frame in waiting]),
                places.clip(max=1),
                np.stack(told) if told else None,
                np.stack(plain) if plain else None,
            )
            for encoder, frames in zip(encoders, stylized, strict=True):
                for pixels, frame in zip(frames, waiting, strict=True):
                    encoder.put(frame._replace(pixels=pixels, mapless=None))
            result.frames += len(waiting)
            bar.update(len(waiting))
            waiting.clear()

        for item in items:
            if isinstance(item, Frame):
                waiting.append(item)
                if len(waiting) == batch_size:
                    stylize()
            else:
                # Writing a packet takes it up: every file but the last has one of its own.
                for encoder in encoders[:-1]:
                    encoder.put(copy_packet(item))
                encoders[-1].put(item)
            if stopped():
                result.stopped = True
                break
        else:
            result.stopped = stopped() and is_piped(source.source)  # which ends by it
        if waiting:
            stylize()
        if result.stopped and pipe is None and not is_live(source.source):
            for name in named:
                name.path = unfinished_name(name.path, folder=frames)
            result.files = [name.path for name in named]
        for encoder in encoders:
            encoder.close()
        result.lost = [writer.lost for writer in writers]
    result.corrupt, result.failure, result.notes = source.corrupt, source.failure, source.notes
    return result


def with_noise(
    source: Source,
    grain: Grain,
    maps: Maps | None = None,
    *,
    steady: bool = False,
    mapless: bool = False,
) -> Iterator["Frame | av.Packet[Any]"]:
    """What ``source`` yields, its frames with grain, and with what ``maps`` tell of them without;
    for ``steady`` strokes their motion, too, and for ``mapless`` styles what these are given.

    They get it where they are decoded: a GPU that waited for it would lose frames.
    """
    film_grain = FilmGrain(grain, steady=steady)
    number, first = 0, 0
    for item in source:
        if isinstance(item, Frame):
            pixels, told = item.pixels, None
            first = first if number else item.pts
            if maps:
                at = Fraction((item.pts - first) * source.time_base)
                told = maps(Image.fromarray(pixels), Moment(number, at))
            number += 1
            grainy, motion = film_grain(pixels, told)
            item = item._replace(map=told, motion=motion, pixels=grainy)
            if mapless and told is not None:
                item = item._replace(mapless=film_grain.add(pixels))
        yield item


def steadied(put: Callable[[Any], None], steady: float) -> Callable[[Any], None]:
    """``put`` for what it is given, frames averaged along their motion."""
    strokes = SteadyStrokes(steady)

    def put_steady(item: Any) -> None:
        if isinstance(item, Frame):
            item = item._replace(pixels=strokes(item.pixels, item.motion))
        put(item)

    return put_steady


def report(result: VideoResult, source: str, others: Sequence[str] = ()) -> str:
    """Say what became of a video; returns a line on why it is not whole, where it is not, and with
    what ``others`` is wrong that it was made with."""
    names = ", ".join(printable(file) for file in result.files)
    lost = {file: count for file, count in zip(result.files, result.lost, strict=False) if count}
    complete = ", ".join(printable(file) for file in result.files if file not in lost)
    if complete:
        print(f"{complete}: {result.frames} frames")
    for file, count in lost.items():
        print(f"{printable(file)}: {result.frames - count} of {result.frames} frames")
    for note in result.notes:
        print(f"{printable(source)}: {note}", file=sys.stderr)
    if result.stopped:
        print(f"stopped; {names} holds what was done", file=sys.stderr)
    reasons = [f"{result.corrupt} corrupt frame(s) passed over"] * bool(result.corrupt)
    if result.failure:
        reasons.append(
            f"cannot be read to its end ({result.failure}); {names} holds what comes before"
        )
    reasons += [
        f"{count} frame(s) are not in {printable(file)}, whose container refuses them"
        for file, count in lost.items()
    ]
    reasons += others
    return f"{source}: {'; '.join(reasons)}" if reasons else ""
