"""What ``infer`` does with videos, cameras and streams: imported where there are any, since a
picture is done sooner without."""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fststyle.config import InferConfig
from fststyle.inference.maps import WeightMaps
from fststyle.inference.styles import open_stylizers
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.formats import check_video_name, piped_name
from fststyle.inference.video.live import Latest, TkWindow, Window, show
from fststyle.inference.video.live_effect import LiveEffect
from fststyle.inference.video.media import is_live, is_piped
from fststyle.inference.video.pipeline import Effect, report, stylize_video
from fststyle.inference.video.sources import open_source
from fststyle.inference.video.virtual_camera import VirtualCamera, is_virtual_camera
from fststyle.inference.work import Job, output_is_folder
from fststyle.utils.files import check_free
from fststyle.utils.signals import watch_signals


def stylize_clip(
    job: Job, stylizers: Sequence[Stylizer], config: InferConfig, stopped: Callable[[], bool]
) -> str:
    """Write a video's results, one for each of the ``stylizers`` that the job has a target for.

    Returns a line on why they are not whole, where they are not. Raises what ``stylize_video``
    raises.
    """
    source = str(job.source)
    if not config.crossfade:
        stylizers = [stylizers[number] for number in job.targets]
    mapped = next((stylizer for stylizer in stylizers if stylizer.mapped), stylizers[0])
    grain = mapped.grain(config)
    maps = mapped.weight_maps(config, job.name, film=True)
    result = stylize_video(
        open_source(source, config.max_size, config.fps),
        list(job.targets.values()),
        _effect(stylizers, config),
        codec=config.codec,
        quality=config.quality,
        stopped=stopped,
        grain=grain,
        batch_size=config.batch_size,
        timed=config.crossfade,
        frames=config.frames,
        maps=maps,
        mapless=grain.by_map and not all(stylizer.mapped for stylizer in stylizers),
        steady=config.steadiness(),
    )
    return report(result, source, maps.failures if maps else ())


def _effect(stylizers: Sequence[Stylizer], config: InferConfig) -> Effect:
    """Of frames: every style's, or the mixture of two, the second's part rising with time."""

    def apply(
        stylizer: Stylizer,
        frames: np.ndarray,
        maps: np.ndarray | None,
        mapless: np.ndarray | None,
    ) -> np.ndarray:
        if not stylizer.mapped:
            frames, maps = frames if mapless is None else mapless, None
        return stylizer.run(frames, maps, strength=config.strength, keep_color=config.keep_color)

    def in_every_style(
        frames: np.ndarray, _: np.ndarray, *others: np.ndarray | None
    ) -> list[np.ndarray]:
        return [apply(stylizer, frames, *others) for stylizer in stylizers]

    def crossfaded(
        frames: np.ndarray, places: np.ndarray, *others: np.ndarray | None
    ) -> list[np.ndarray]:
        if places.max() == 0 or places.min() == 1:
            return [apply(stylizers[round(places[0])], frames, *others)]
        first, second = (apply(s, frames, *others).astype(np.float32) for s in stylizers)
        part = places.astype(np.float32)[:, None, None, None]
        return [(first + (second - first) * part + 0.5).astype(np.uint8)]

    return crossfaded if config.crossfade else in_every_style


def show_or_record(config: InferConfig, pipe: int | None = None) -> int:
    """A camera, a stream or standard input; or whatever is shown, or sent on to a virtual camera or
    to ``pipe``, a file descriptor, instead of written to a file."""
    if len(config.media) != 1 or len(config.models) != 1:
        raise ValueError(
            "a camera, a stream, a pipe, a virtual camera and --show go alone, in one style"
        )
    if config.shard:
        raise ValueError("--shard parts files that are written, not a camera, a stream or --show")
    output = config.output
    if not config.show and not is_virtual_camera(output) and pipe is None:
        if output_is_folder(config):
            raise ValueError(f"{config.media[0]}: add --show, or --output FILE.mp4 to write it")
        check_video_name(Path(output))
        check_free([Path(output)], config.overwrite)
    (stylizer,) = open_stylizers(config)
    maps = stylizer.weight_maps(config, _map_name(config.media[0]), film=True)
    if config.show or is_virtual_camera(output):
        return _show(config, stylizer, maps)
    return _record(config, stylizer, maps, pipe)


def _map_name(source: str) -> Path:
    """By which a film, a stream or a folder of frames has its map in a folder."""
    name = Path(os.path.abspath(source)).name
    return Path(f"{name}.mp4" if os.path.isdir(source) else name)


def _show(config: InferConfig, stylizer: Stylizer, maps: WeightMaps | None) -> int:
    """In a window, or in the virtual camera that --output names."""
    (source,) = config.media
    stylize = partial(stylizer.run, strength=config.strength, keep_color=config.keep_color)
    with watch_signals() as stop, contextlib.ExitStack() as stack:
        window: Window | None = TkWindow() if config.show else None
        frames = Latest(source, config.max_size, rate=config.fps)
        stack.callback(frames.close)
        ends = "q, Escape or Ctrl-C ends"
        if window is None:
            window = camera = VirtualCamera(config.output, *frames.form)
            ends = f"shown by {camera.device}; Ctrl-C ends"
        stack.callback(window.close)
        print(f"provider {stylizer.provider}; {ends}", flush=True)
        rate = frames.form[2] if config.steady is None else None
        told = None if maps is None else (lambda image: maps(image, frames.moment))
        effect = LiveEffect(stylize, told, stylizer.grain(config), config.steadiness(), rate)
        show(frames, effect, window, lambda: stop.requested)
        broken = [frames.failure] if frames.ended and frames.failure else []
        broken += maps.failures if maps else []
    for line in [*frames.notes, *broken]:
        print(f"{source}: {line}", file=sys.stderr)
    return 130 if stop.requested else int(bool(broken))


def _record(
    config: InferConfig, stylizer: Stylizer, maps: WeightMaps | None, pipe: int | None
) -> int:
    """To the file that --output names, or to ``pipe``."""
    (source,) = config.media
    film = is_piped(source) or not is_live(source)
    with watch_signals() as stop:
        print(f"provider {stylizer.provider}; Ctrl-C ends", flush=True)
        try:
            done = stylize_video(
                open_source(source, config.max_size, config.fps),
                [piped_name(config.output) or Path(config.output)],
                _effect([stylizer], config),
                codec=config.codec,
                quality=config.quality,
                stopped=lambda: stop.requested,
                grain=stylizer.grain(config),
                batch_size=config.batch_size,
                maps=maps,
                steady=config.steadiness(recorded=not film),
                pipe=pipe,
            )
        except BrokenPipeError:
            if pipe is None:
                raise
            print("nobody reads the frames any more", file=sys.stderr)
            return 130 if stop.requested else 0
        except ValueError:
            if not stop.requested:
                raise
            print("stopped before the first frame", file=sys.stderr)
            return 130
    reason = report(done, source, maps.failures if maps else ())
    if reason:
        print(reason, file=sys.stderr)
    return 130 if stop.requested else int(bool(reason))
