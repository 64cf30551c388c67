"""``fststyle infer``: pictures and videos through exported networks."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fststyle.config import InferConfig
from fststyle.config.calls import from_settings
from fststyle.images.io import read_image, write_image
from fststyle.images.noise import add_noise
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.formats import check_video_name
from fststyle.inference.video.live import Latest, TkWindow, show
from fststyle.inference.video.media import is_live
from fststyle.inference.video.pipeline import Effect, report, stylize_video
from fststyle.inference.video.sources import open_source
from fststyle.inference.work import Job, output_is_folder, plan_work
from fststyle.utils.console import printable
from fststyle.utils.failures import Failures
from fststyle.utils.files import check_free
from fststyle.utils.signals import watch_signals


@from_settings(InferConfig)
def run(config: InferConfig) -> int:
    """Stylize every input; returns 0, 1 where some could not be, 130 when stopped."""
    if config.list:
        from fststyle.inference.styles import print_cards, print_styles

        if config.models:
            print_cards(config.models)
        else:
            print_styles()
        return 0
    if config.show or any(map(is_live, config.media)):
        return _live(config)
    failures = Failures("try a smaller --max-size, and of pictures a smaller --tile")
    work = plan_work(config, failures)
    missing = len(failures.reasons)
    if config.shard:
        jobs = len(work.pictures) + len(work.videos) + work.existing
        print(f"shard {config.shard}: {jobs} of {work.total} input(s)", flush=True)
    done: list[Path] = []
    stopped = False
    if work.pictures or work.videos:
        batch = _Batch(config, failures)
        names = [(len(work.pictures), "picture(s)"), (len(work.videos), "video(s)")]
        counts = ", ".join(f"{count} {name}" for count, name in names if count)
        print(f"{counts}, provider {batch.provider}", flush=True)
        stopped = batch.run(work.pictures, work.videos, done)
    status = max(failures.report(), work.report_passed())
    count = len(work.pictures) + len(work.videos) + missing
    succeeded = sum(str(source) not in failures.reasons for source in done)
    existing = f"; {work.existing} there already" * bool(work.existing)
    print(f"{succeeded} of {count} stylized into {config.output}{existing}")
    if stopped:
        print("stopped; --skip-existing goes on", file=sys.stderr)
    return 130 if stopped else status


class _Batch:
    """What is done with each input. What fails of one is noted, and the others are done."""

    def __init__(self, config: InferConfig, failures: Failures) -> None:
        self._config, self._failures = config, failures
        self._stylizers = [
            Stylizer(path, config.provider, config.threads) for path in config.models
        ]

    @property
    def provider(self) -> str:
        """The one that runs."""
        return self._stylizers[0].provider

    def run(self, pictures: Sequence[Job], videos: Sequence[Job], done: list[Path]) -> bool:
        """Append to ``done`` what was tried; returns whether the user ended it before the end."""
        with watch_signals() as stop:
            bar = tqdm(pictures, unit="picture", disable=not pictures)
            for make, jobs in ((self._stylize_picture, bar), (self._stylize_video, videos)):
                for job in jobs:
                    try:
                        with self._failures.noting(job.source):
                            make(job, lambda: stop.requested)
                    except KeyboardInterrupt:  # between two tiles
                        return True
                    if stop.requested and make == self._stylize_video:
                        return True
                    done.append(job.source)
                    if stop.requested or self._failures.disk_full:
                        return stop.requested
        return False

    def _stylize_picture(self, job: Job, stopped: Callable[[], bool]) -> None:
        config = self._config
        image = read_image(job.source, alpha=True, max_size=config.max_size)
        if "pages" in image.info:
            tqdm.write(
                f"{printable(job.source)}: the first of its {image.info['pages']} pages is taken",
                file=sys.stderr,
            )
        for number, target in job.targets.items():
            with self._failures.noting(job.source):
                target.parent.mkdir(parents=True, exist_ok=True)
                with _tile_progress(stopped) as progress:
                    stylized = self._stylizers[number].stylize_image(
                        image,
                        config,
                        folder=target.parent,
                        progress=progress,
                    )
                write_image(stylized, target)

    def _stylize_video(self, job: Job, stopped: Callable[[], bool]) -> None:
        try:
            self._stylize_into(job, stopped)
        except Exception:
            if len(job.targets) == 1:
                raise
            # One style may do what another one cannot.
            for number, target in job.targets.items():
                with self._failures.noting(job.source):
                    self._stylize_into(Job(job.source, {number: target}), stopped)

    def _stylize_into(self, job: Job, stopped: Callable[[], bool]) -> None:
        config, source = self._config, str(job.source)
        targets = list(job.targets.values())
        stylizers = self._stylizers
        if not config.crossfade:
            stylizers = [stylizers[number] for number in job.targets]
        result = stylize_video(
            open_source(source, config.max_size, config.fps),
            targets,
            _effect(stylizers, config),
            codec=config.codec,
            quality=config.quality,
            stopped=stopped,
            grain=config.noise,
            batch_size=config.batch_size,
            timed=config.crossfade,
            frames=config.frames,
        )
        reason = report(result, source)
        if reason:
            self._failures.add(source, reason)


def _live(config: InferConfig) -> int:
    """A camera or a stream, or whatever is shown instead of written."""
    if len(config.media) != 1 or len(config.models) != 1:
        raise ValueError("a camera, a stream and --show go alone, in one style")
    if config.shard:
        raise ValueError("--shard parts files that are written, not a camera, a stream or --show")
    (source,) = config.media
    stylizer = Stylizer(config.models[0], config.provider, config.threads)
    effect = partial(stylizer.run, strength=config.strength, keep_color=config.keep_colour)
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
                    lambda frame: effect(add_noise(frame[None], config.noise))[0],
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
            lambda frames, _: [effect(frames)],
            codec=config.codec,
            quality=config.quality,
            stopped=lambda: stop.requested,
            grain=config.noise,
        )
        reason = report(done, source)
        if reason:
            print(reason, file=sys.stderr)
        return 130 if stop.requested else int(bool(reason))


@contextlib.contextmanager
def _tile_progress(stopped: Callable[[], bool]) -> Iterator[Callable[[float], None]]:
    """What tiles report to: a bar, which a picture without tiles does not show. It raises
    KeyboardInterrupt once ``stopped`` says so."""
    form = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
    with tqdm(total=1.0, desc="tiles", leave=False, bar_format=form, delay=1e-3) as bar:

        def progress(part: float) -> None:
            bar.update(part)
            if stopped():
                raise KeyboardInterrupt

        yield progress


def _effect(stylizers: Sequence[Stylizer], config: InferConfig) -> Effect:
    """Of frames: every style's, or the mixture of two, the second's part rising with time."""
    applied: list[Callable[[np.ndarray], np.ndarray]] = [
        partial(stylizer.run, strength=config.strength, keep_color=config.keep_colour)
        for stylizer in stylizers
    ]

    def in_every_style(frames: np.ndarray, _: np.ndarray) -> list[np.ndarray]:
        return [style(frames) for style in applied]

    def crossfaded(frames: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
        if places.max() == 0 or places.min() == 1:
            return [applied[round(places[0])](frames)]
        first, second = (style(frames).astype(np.float32) for style in applied)
        part = places.astype(np.float32)[:, None, None, None]
        return [(first + (second - first) * part + 0.5).astype(np.uint8)]

    return crossfaded if config.crossfade else in_every_style
