"""``fststyle infer``: pictures and videos through exported networks."""

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fststyle.config import InferConfig
from fststyle.images import check_writable, fit_within, read_image, write_image
from fststyle.runtime.frames import FolderSource
from fststyle.runtime.grain import add_grain
from fststyle.runtime.live import Latest, TkWindow, show
from fststyle.runtime.media import is_live, is_video
from fststyle.runtime.pictures import find_inputs, place, stylize
from fststyle.runtime.signals import watch_signals
from fststyle.runtime.stylizer import Stylizer
from fststyle.runtime.video import VideoSource
from fststyle.runtime.video_formats import check_video_name, output_name
from fststyle.runtime.videos import Effect, report, stylize_video

Job = tuple[str, list[Path]]
"""An input and the files to write, one for each style, or one for a cross-fade."""


def run(config: InferConfig) -> int:
    """Stylize every input; returns 0, 1 where some could not be, 130 when stopped."""
    if config.list:
        from fststyle.runtime.styles import list_styles, print_cards  # ONNX takes time

        if config.models:
            print_cards(config.models)
        else:
            list_styles()
        return 0
    if config.show or any(map(is_live, config.media)):
        return _live(config)
    pictures, videos = _plan(config)
    stylizers = [Stylizer(path, config.provider, config.threads) for path in config.models]
    grain = _grain(config)
    parts = [f"{len(pictures)} picture(s)"] * bool(pictures) + [f"{len(videos)} video(s)"] * bool(
        videos
    )
    print(f"{', '.join(parts)}, provider {stylizers[0].provider}", flush=True)
    failures: list[str] = []
    with watch_signals() as stop:
        for source, targets in tqdm(pictures, unit="picture", disable=not pictures):
            try:
                image = read_image(Path(source), alpha=True)
                if config.max_size:
                    image = fit_within(image, config.max_size)
                for stylizer, target in zip(stylizers, targets, strict=True):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    stylized = stylize(
                        stylizer,
                        image,
                        strength=config.strength,
                        keep_colour=config.keep_colour,
                        grain=grain,
                        tile=config.tile,
                        folder=target.parent,
                        stopped=lambda: stop.requested,
                    )
                    write_image(stylized, target)
            except ValueError as error:
                failures.append(_about(source, error))
            if stop.requested:
                return 130
        effect = _effect(stylizers, config)
        for source, targets in videos:
            try:
                done = stylize_video(
                    _open(source, config),
                    targets,
                    effect,
                    codec=config.codec,
                    quality=config.quality,
                    stopped=lambda: stop.requested,
                    grain=grain,
                    batch_size=config.batch_size,
                    frames=config.frames,
                )
            except ValueError as error:
                failures.append(_about(source, error))
                continue
            if report(done, source, targets):
                failures.append(f"{source}: not whole")
            if stop.requested:
                return 130
    for failure in failures:
        print(failure, file=sys.stderr)
    count = len(pictures) + len(videos)
    print(f"{count - len(failures)} of {count} stylized into {config.output}")
    return 1 if failures else 0


def _open(source: str, config: InferConfig) -> VideoSource | FolderSource:
    if config.fps and Path(source).is_dir():
        return FolderSource(Path(source), config.fps, config.max_size)
    return VideoSource(source, config.max_size)


def _live(config: InferConfig) -> int:
    """A camera or a stream, or whatever is shown instead of written."""
    if len(config.media) != 1 or len(config.models) != 1:
        raise ValueError("a camera, a stream and --show go alone, in one style")
    (source,) = config.media
    stylizer, grain = Stylizer(config.models[0], config.provider, config.threads), _grain(config)
    effect = partial(stylizer, strength=config.strength, keep_colour=config.keep_colour)
    if not config.show:
        if not config.output.suffix or config.output.is_dir():
            raise ValueError(f"{source}: add --show, or --output FILE.mp4 to write it")
        check_video_name(config.output)
    with watch_signals() as stop:
        if config.show:
            window = TkWindow()
            print(f"provider {stylizer.provider}; q, Escape or Ctrl-C ends", flush=True)
            frames = Latest(source, config.max_size)
            try:
                show(
                    frames,
                    lambda frame: effect(add_grain(frame[None], grain))[0],
                    window,
                    lambda: stop.requested,
                )
            finally:
                frames.close()
                window.close()
            return 130 if stop.requested else 0
        print(f"provider {stylizer.provider}; Ctrl-C ends", flush=True)
        done = stylize_video(
            VideoSource(source, config.max_size),
            [config.output],
            lambda frames, _: [effect(frames)],
            codec=config.codec,
            quality=config.quality,
            stopped=lambda: stop.requested,
            grain=grain,
        )
        status = report(done, source, [config.output])
        return 130 if stop.requested else status


def _grain(config: InferConfig) -> int:
    """Levels; none where the original itself is to come out."""
    return config.grain if config.strength else 0


def _about(source: str, error: Exception) -> str:
    message = str(error)
    return message if message.startswith(source) else f"{source}: {message}"


def _effect(stylizers: Sequence[Stylizer], config: InferConfig) -> Effect:
    """Of frames: every style's, or the mixture of two, the second's part rising with time."""
    applied: list[Callable[[np.ndarray], np.ndarray]] = [
        partial(stylizer, strength=config.strength, keep_colour=config.keep_colour)
        for stylizer in stylizers
    ]

    def all_of(frames: np.ndarray, _: np.ndarray) -> list[np.ndarray]:
        return [style(frames) for style in applied]

    def faded(frames: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
        if places.max() == 0 or places.min() == 1:
            return [applied[round(places[0])](frames)]
        first, second = (style(frames).astype(np.float32) for style in applied)
        part = places.astype(np.float32)[:, None, None, None]
        return [(first + (second - first) * part + 0.5).astype(np.uint8)]

    return faded if config.crossfade else all_of


def _plan(config: InferConfig) -> tuple[list[Job], list[Job]]:
    """(pictures, videos) to make.

    Raises FileNotFoundError for an input that names nothing, ValueError where files cannot be
    written as they should.
    """
    folders_in = [Path(name) for name in config.media if config.fps and Path(name).is_dir()]
    rest = [name for name in config.media if Path(name) not in folders_in]
    found = find_inputs(rest)
    videos = [(file, output_name(name)) for file, name in found if is_video(file)]
    videos += [(folder, Path(f"{folder.resolve().name}.mp4")) for folder in folders_in]
    moving = {file for file, _ in videos}
    files = [(file, name) for file, name in found if file not in moving]
    if config.output.suffix and not config.output.is_dir():
        return _single(config, [*moving, *(file for file, _ in files)], moving)
    folders = [config.output]
    if len(config.models) > 1 and not config.crossfade:
        folders = [config.output / path.stem for path in config.models]
        if len({folder.name for folder in folders}) < len(folders):
            raise ValueError("two of the styles have one name: rename one, it names a folder")
    planned = [place(files, folder) for folder in folders]
    pictures = [
        (str(jobs[0][0]), [target for _, target in jobs]) for jobs in zip(*planned, strict=True)
    ]
    made: list[Job] = []
    for file, name in videos:
        if config.frames:
            name = name.with_suffix("")
        targets = [folder / name for folder in folders]
        if any(target.resolve() == file.resolve() for target in targets):
            raise ValueError(f"{file} would be overwritten: choose another folder with --output")
        if any(targets == others for _, others in made):
            raise ValueError(f"two videos are called {name.name}: stylize them one by one")
        made.append((str(file), targets))
    if config.crossfade and pictures:
        raise ValueError("--crossfade changes from style to style in time: it takes videos only")
    return pictures, made


def _single(
    config: InferConfig, files: Sequence[Path], moving: Collection[Path]
) -> tuple[list[Job], list[Job]]:
    """--output names a file."""
    if len(files) != 1 or (len(config.models) > 1 and not config.crossfade):
        raise ValueError(
            f"--output {config.output} names one file, but there are {len(files)} input(s) and"
            f" {len(config.models)} style(s): give a folder"
        )
    if files[0].resolve() == config.output.resolve():
        raise ValueError(f"{config.output} would be overwritten: choose another --output")
    job = [(str(files[0]), [config.output])]
    if files[0] in moving:
        if config.frames:
            raise ValueError("--frames writes a folder, so --output names one, without a suffix")
        check_video_name(config.output)
        return [], job
    check_writable(config.output)
    return job, []
