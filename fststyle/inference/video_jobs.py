"""What ``infer`` does with videos, cameras and streams: imported where there are any, since a
picture is done sooner without."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.config import InferConfig
from fststyle.inference.styles import open_stylizers
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.formats import check_video_name
from fststyle.inference.video.live import Latest, TkWindow, show
from fststyle.inference.video.pipeline import Effect, report, stylize_video
from fststyle.inference.video.sources import open_source
from fststyle.inference.video.steady import MotionFinder, MovingGrain, SteadyStrokes
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
    result = stylize_video(
        open_source(source, config.max_size, config.fps),
        list(job.targets.values()),
        _effect(stylizers, config),
        codec=config.codec,
        quality=config.quality,
        stopped=stopped,
        grain=config.noise,
        batch_size=config.batch_size,
        timed=config.crossfade,
        frames=config.frames,
        maps=mapped.weight_maps(config, job.name, film=True),
        steady=config.steadiness(live=False),
    )
    return report(result, source)


def _effect(stylizers: Sequence[Stylizer], config: InferConfig) -> Effect:
    """Of frames: every style's, or the mixture of two, the second's part rising with time."""

    def apply(stylizer: Stylizer, frames: np.ndarray, maps: np.ndarray | None) -> np.ndarray:
        maps = maps if stylizer.mapped else None
        return stylizer.run(frames, maps, strength=config.strength, keep_color=config.keep_color)

    def in_every_style(
        frames: np.ndarray, _: np.ndarray, maps: np.ndarray | None
    ) -> list[np.ndarray]:
        return [apply(stylizer, frames, maps) for stylizer in stylizers]

    def crossfaded(
        frames: np.ndarray, places: np.ndarray, maps: np.ndarray | None
    ) -> list[np.ndarray]:
        if places.max() == 0 or places.min() == 1:
            return [apply(stylizers[round(places[0])], frames, maps)]
        first, second = (apply(s, frames, maps).astype(np.float32) for s in stylizers)
        part = places.astype(np.float32)[:, None, None, None]
        return [(first + (second - first) * part + 0.5).astype(np.uint8)]

    return crossfaded if config.crossfade else in_every_style


def show_or_record(config: InferConfig) -> int:
    """A camera or a stream, or whatever is shown instead of written."""
    if len(config.media) != 1 or len(config.models) != 1:
        raise ValueError("a camera, a stream and --show go alone, in one style")
    if config.shard:
        raise ValueError("--shard parts files that are written, not a camera, a stream or --show")
    (source,) = config.media
    (stylizer,) = open_stylizers(config)
    effect = partial(stylizer.run, strength=config.strength, keep_color=config.keep_color)
    maps = stylizer.weight_maps(config, Path(source), film=True)

    steady = config.steadiness(live=True)
    find_motion, grain, strokes = MotionFinder(), MovingGrain(config.noise), SteadyStrokes(steady)

    def show_frame(frame: np.ndarray) -> np.ndarray:
        weight_map = maps(Image.fromarray(frame))[None] if maps else None
        motion = find_motion(frame) if steady else None
        shown = effect(grain(frame, motion)[None], weight_map)[0]
        return strokes(shown, motion) if steady else shown

    if not config.show:
        output = Path(config.output)
        if output_is_folder(config):
            raise ValueError(f"{source}: add --show, or --output FILE.mp4 to write it")
        check_video_name(output)
        check_free([output], config.overwrite)
    with watch_signals() as stop:
        if config.show:
            window = TkWindow()
            print(f"provider {stylizer.provider}; q, Escape or Ctrl-C ends", flush=True)
            frames = Latest(source, config.max_size)
            try:
                show(
                    frames,
                    show_frame,
                    window,
                    lambda: stop.requested,
                )
                broken = frames.failure if frames.ended else ""
            finally:
                frames.close()
                window.close()
            for line in [*frames.notes, *([broken] if broken else [])]:
                print(f"{source}: {line}", file=sys.stderr)
            return 130 if stop.requested else int(bool(broken))
        print(f"provider {stylizer.provider}; Ctrl-C ends", flush=True)
        done = stylize_video(
            open_source(source, config.max_size),
            [output],
            lambda frames, _, weight_maps: [effect(frames, weight_maps)],
            codec=config.codec,
            quality=config.quality,
            stopped=lambda: stop.requested,
            grain=config.noise,
            maps=maps,
            steady=steady,
        )
        reason = report(done, source)
        if reason:
            print(reason, file=sys.stderr)
        return 130 if stop.requested else int(bool(reason))
