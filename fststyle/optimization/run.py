"""``fststyle optimize``: which photos become which pictures, one at a time."""

from pathlib import Path

from PIL import Image

from fststyle import config as settings
from fststyle.config import OptimizeConfig
from fststyle.images.io import DEEP, WRITERS, check_deep, check_writable
from fststyle.inference.inputs import find_inputs, plan
from fststyle.networks.vgg import check_layers
from fststyle.optimization.image_optimizer import ImageOptimizer, record_file
from fststyle.utils.device import keep_freed_memory
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.files import names_folder
from fststyle.utils.signals import watch_signals


def run(config: OptimizeConfig) -> int:
    """Optimize a picture for every photo; returns 0, 1 where some could not be, 2 where the only
    one could not, 130 when stopped.

    Raises ValueError or FileNotFoundError with the reason where nothing can be done.
    """
    check_layers((*config.content_layers, *config.style_layers))
    failures = Failures("use a smaller --size, --loss-downscale 2 or a smaller --history")
    jobs = _plan(config, failures)
    if not jobs:
        print("nothing to do: every picture is there already (--skip-existing)")
        return failures.report()
    keep_freed_memory()
    studio = ImageOptimizer(config)
    with watch_signals() as stop:
        for photo, target in jobs:
            with failures.noting(photo):
                studio.paint(photo, target, lambda: stop.requested)
            if stop.requested or failures.disk_full:
                break
    status = failures.report()
    if stop.requested:
        return 130
    return 2 if status and len(jobs) == 1 and len(config.inputs) == 1 else status


def _plan(config: OptimizeConfig, failures: Failures) -> list[tuple[Path, Path]]:
    """(photo, picture to write); one photo with an --output that names a picture, or a folder.
    Photos whose picture exists already are noted.

    Raises FileExistsError where all pictures would be overwritten unasked.
    """
    deep = config.bits == 16
    output = Path(config.output)
    if names_folder(config.output, Image.registered_extensions()):
        jobs = plan(config.inputs, output, failures, DEEP if deep else WRITERS)
    else:
        (check_deep if deep else check_writable)(output)
        photos = [photo for photo, _ in find_inputs(config.inputs)]
        settings.check(
            len(photos) == 1,
            f"--output {output} names one picture, but there are {len(photos)} photos: give"
            " a folder",
        )
        settings.check(
            photos[0].resolve() != output.resolve(),
            f"{output} would be overwritten: choose another --output",
        )
        jobs = [(photos[0], output)]
    if config.skip_existing:
        return [(photo, target) for photo, target in jobs if not target.exists()]

    def written(job: tuple[Path, Path]) -> list[Path]:
        _, target = job
        return [target, record_file(target)] if config.record else [target]

    return writable_jobs(jobs, written, config.overwrite, failures)
