"""``fststyle depth predict``: depth maps of pictures; no torch here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from fststyle.config import DepthPredictConfig
from fststyle.depth.estimator import Estimator, estimate_depth
from fststyle.depth.maps import colorize, write_depth_png
from fststyle.images.grid import sheet
from fststyle.images.io import read_image, write_image
from fststyle.inference.inputs import plan
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.signals import watch_signals


def predict(config: DepthPredictConfig, estimate: Estimator, card: Mapping[str, Any]) -> int:
    """Depth maps of every input; returns 0, 1 where some could not be made, 130 when stopped.

    ``OUTPUT/depth/NAME.png`` holds 16-bit depth, 1 nearest to 65534 farthest, which ``--data``
    reads back; ``OUTPUT/colour/NAME.jpg`` shows photo and depth, near light and far dark.
    """
    failures = Failures()
    jobs = [
        (photo, depth, config.output / "colour" / depth.relative_to(config.output / "depth"))
        for photo, depth in plan(config.inputs, config.output / "depth", failures, (".png",))
    ]
    jobs = [(photo, depth, shown.with_suffix(".jpg")) for photo, depth, shown in jobs]
    planned, done = len(jobs), 0
    jobs = writable_jobs(jobs, lambda job: job[1:], config.overwrite, failures)
    with watch_signals() as stop:
        for photo, target, shown in tqdm(jobs, unit="picture"):
            if stop.requested or failures.disk_full:
                break
            with failures.noting(photo):
                image = read_image(photo)
                depth = estimate_depth(estimate, image, card, size=config.size, flip=config.flip)
                if not np.isfinite(depth).all():
                    raise ValueError("its depth is not finite")
                both = sheet([[image, colorize(depth)]], height=min(480, image.height))
                write_depth_png(depth, target)
                write_image(both, shown)
                done += 1
    status = failures.report()
    print(f"{done} of {planned} depth maps in {config.output}")
    return 130 if stop.requested else status
