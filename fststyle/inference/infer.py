"""``fststyle infer``: pictures and videos through exported networks."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fststyle.config import InferConfig
from fststyle.config.calls import from_settings
from fststyle.images.io import read_image, without_hidden, write_image
from fststyle.inference.styles import open_stylizers
from fststyle.inference.video.formats import piped_name
from fststyle.inference.video.media import is_live
from fststyle.inference.video.virtual_camera import is_virtual_camera
from fststyle.inference.work import Job, plan_work
from fststyle.utils.console import data_output, printable
from fststyle.utils.failures import Failures
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
    piped = piped_name(config.output) is not None and not config.show
    if config.show or piped or is_virtual_camera(config.output) or any(map(is_live, config.media)):
        from fststyle.inference.video_jobs import show_or_record

        if not piped:
            return show_or_record(config)
        with data_output() as pipe:
            return show_or_record(config, pipe)
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
        self._stylizers = open_stylizers(config)

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
        image = without_hidden(read_image(job.source, alpha=True, max_size=config.max_size))
        if "pages" in image.info:
            tqdm.write(
                f"{printable(job.source)}: the first of its {image.info['pages']} pages is taken",
                file=sys.stderr,
            )
        weight_map = None
        mapped = [self._stylizers[n] for n in job.targets if self._stylizers[n].mapped]
        if mapped:
            maps = mapped[0].weight_maps(config, job.name)
            weight_map = maps(image) if maps else None
        for number, target in job.targets.items():
            with self._failures.noting(job.source):
                target.parent.mkdir(parents=True, exist_ok=True)
                with _tile_progress(stopped) as progress:
                    stylizer = self._stylizers[number]
                    stylized = stylizer.stylize_image(
                        image,
                        config,
                        weight_map if stylizer.mapped else None,
                        folder=target.parent,
                        progress=progress,
                    )
                write_image(stylized, target)

    def _stylize_video(self, job: Job, stopped: Callable[[], bool]) -> None:
        try:
            self._stylize_clip(job, stopped)
        except Exception:
            if len(job.targets) == 1:
                raise
            # One style may do what another one cannot.
            for number, target in job.targets.items():
                with self._failures.noting(job.source):
                    self._stylize_clip(job._replace(targets={number: target}), stopped)

    def _stylize_clip(self, job: Job, stopped: Callable[[], bool]) -> None:
        from fststyle.inference.video_jobs import stylize_clip

        reason = stylize_clip(job, self._stylizers, self._config, stopped)
        if reason:
            self._failures.add(job.source, reason)


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
