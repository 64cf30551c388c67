"""Depth of videos: how steady it is, frame by frame and averaged over time, and what it takes.

    python experiments/depth_video.py clips/*.mp4 --network fast.onnx --json figures.json

Warping error of depth: root mean square of the difference between a frame's depth and the next
one's, followed along the optical flow of the frames where these can be followed, in parts of the
standard deviation of the clip's depth.
"""

import argparse
import time
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.benchmarks.timing import hardware
from fststyle.config import DepthSettings
from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.opening import open_estimator
from fststyle.depth.steady import SteadyDepth
from fststyle.evaluation.temporal import warping_error
from fststyle.images.flow import followed, optical_flow
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import open_source
from fststyle.utils.figures import write_json

FRAMES = 40


def measured(depth: DepthEstimator | SteadyDepth, frames: list[np.ndarray]) -> tuple[float, float]:
    """(warping error, milliseconds a frame)."""
    maps, times = [], []
    for frame in frames:
        began = time.perf_counter()
        maps.append(depth(Image.fromarray(frame)))
        times.append(time.perf_counter() - began)
    spread = float(np.std(np.stack(maps)))
    errors = []
    for (first, second), (before, after) in zip(pairwise(frames), pairwise(maps), strict=True):
        forward, backward = optical_flow(first, second), optical_flow(second, first)
        valid = followed(forward, backward)
        if valid.any():
            error = warping_error(before, after, forward, valid)
            errors.append(error / spread)
    return float(np.mean(errors)), float(np.median(times) * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--network", help="as depth predict's")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = DepthSettings(network=options.network)
    estimator = open_estimator(config.network, config.vgg_weights, config.device)
    clips = {}
    print("| clip | frame by frame | averaged | ms a frame, alone and averaged |")
    print("|---|---|---|---|")
    for clip in options.clips:
        items = islice(open_source(str(clip)), FRAMES)
        frames = [item.pixels for item in items if isinstance(item, Frame)]
        alone, single_ms = measured(estimator, frames)
        steady, steady_ms = measured(SteadyDepth(estimator), frames)
        clips[clip.stem] = {"alone": alone, "steady": steady, "ms": [single_ms, steady_ms]}
        print(f"| {clip.stem} | {alone:.3f} | {steady:.3f} | {single_ms:.0f}, {steady_ms:.0f} |")
    if options.json:
        write_json(
            options.json, {"network": estimator.name, "hardware": hardware(), "clips": clips}
        )


if __name__ == "__main__":
    main()
