"""``fststyle optimize``: which photos become which pictures, one at a time."""

import sys
from pathlib import Path

import torch

from fststyle import config as settings
from fststyle.config import OptimizeConfig
from fststyle.images import DEEP, check_deep, check_writable
from fststyle.networks.vgg import check_layers
from fststyle.optimization.studio import Studio
from fststyle.runtime.pictures import find_inputs, plan
from fststyle.runtime.signals import watch_signals
from fststyle.training.device import keep_freed_memory


def run(config: OptimizeConfig) -> int:
    """Optimize a picture for every photo; returns 0, 1 where some could not be, 130 when stopped.

    Raises ValueError or FileNotFoundError with the reason where nothing can be done, or where it is
    about the only photo.
    """
    check_layers((*config.content_layers, *config.style_layers))
    jobs = _plan(config)
    if not jobs:
        print("nothing to do: every picture is there already (--skip-existing)")
        return 0
    keep_freed_memory()
    studio = Studio(config)
    failures = []
    with watch_signals() as stop:
        for photo, target in jobs:
            try:
                studio.paint(photo, target, lambda: stop.requested)
            except torch.OutOfMemoryError as error:
                raise ValueError(
                    f"{photo}: {studio.device.type} has too little memory: use a smaller --size,"
                    " --loss-downscale 2 or a smaller --history"
                ) from error
            except (ValueError, FileNotFoundError) as error:
                if len(jobs) == 1:
                    raise
                message = str(error)
                failures.append(message if str(photo) in message else f"{photo}: {message}")
            if stop.requested:
                return 130
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _plan(config: OptimizeConfig) -> list[tuple[Path, Path]]:
    """(photo, picture to write); one photo with an --output that names a picture, or a folder."""
    deep = config.bits == 16
    if config.output.suffix and not config.output.is_dir():
        (check_deep if deep else check_writable)(config.output)
        photos = [photo for photo, _ in find_inputs(config.inputs)]
        settings.check(
            len(photos) == 1,
            f"--output {config.output} names one picture, but there are {len(photos)} photos: give"
            " a folder",
        )
        settings.check(
            photos[0].resolve() != config.output.resolve(),
            f"{config.output} would be overwritten: choose another --output",
        )
        jobs = [(photos[0], config.output)]
    else:
        jobs = plan(config.inputs, config.output)
        if deep:
            jobs = [(p, t if t.suffix.lower() in DEEP else t.with_suffix(".png")) for p, t in jobs]
    if config.skip_existing:
        jobs = [(photo, target) for photo, target in jobs if not target.exists()]
    return jobs
