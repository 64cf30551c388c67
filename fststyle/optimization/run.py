"""``fststyle optimize``: which photos become which pictures, one at a time."""

from pathlib import Path

from PIL import Image

from fststyle import config as settings
from fststyle.config import OptimizeConfig
from fststyle.config.calls import from_settings
from fststyle.images.inputs import find_inputs, plan
from fststyle.images.io import DEEP, WRITERS, check_deep, check_writable
from fststyle.networks.vgg import check_layers
from fststyle.optimization.image_optimizer import ImageOptimizer
from fststyle.optimization.results import Optimized, OptimizedPicture, record_file
from fststyle.utils.device import keep_freed_memory
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.files import names_folder
from fststyle.utils.signals import watch_signals


@from_settings(OptimizeConfig)
def optimize(config: OptimizeConfig) -> Optimized:
    """Optimize the pixels of one picture at a time, the per-image baseline: ``fststyle optimize``.

    >>> import fststyle
    >>> optimized = fststyle.optimize(
    ...     "photos/0.png", style="style.png", output="dots.png", method="plain", steps=3, size=32,
    ...     style_size=32, loss_network="small", device="cpu", precision="fp32",
    ... )  # doctest: +ELLIPSIS
    dots.png: 32×24, ...
    >>> optimized.pictures[0].image.size
    (32, 24)
    >>> sorted(optimized.pictures[0].losses)
    ['content', 'loss', 'style', 'tv']

    Of several photos those that cannot be used are told of on stderr and in ``failures``, and the
    others are done. Ctrl-C raises KeyboardInterrupt when the best picture so far is written.

    Raises:
        ValueError: settings that do not go together, or nothing that can be done; the reason of the
            only photo.
        FileNotFoundError: no such file.
        FileExistsError: all pictures are there already, without ``overwrite``.
    """
    check_layers((*config.content_layers, *config.style_layers))
    failures = Failures("use a smaller --size, --loss-downscale 2 or a smaller --history")
    jobs = _plan(config, failures)
    pictures: list[OptimizedPicture] = []
    if not jobs:
        print("nothing to do: every picture is there already (--skip-existing)")
        failures.report()
        return Optimized(pictures, failures.reasons)
    keep_freed_memory()
    optimizer = ImageOptimizer(config)
    with watch_signals() as stop:
        for photo, target in jobs:
            with failures.noting(photo):
                picture = optimizer.optimize(photo, target, lambda: stop.requested)
                if picture is not None:
                    pictures.append(picture)
            if stop.requested or failures.disk_full:
                break
    if failures.reasons and len(jobs) == 1 and len(config.inputs) == 1 and not stop.requested:
        raise ValueError("\n".join(failures.reasons.values()))
    failures.report()
    if stop.requested:
        raise KeyboardInterrupt
    return Optimized(pictures, failures.reasons)


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
