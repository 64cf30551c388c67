"""How steady stylized videos are: the warping error between successive frames."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fststyle.evaluation.model_result import ModelResult, style_of
from fststyle.images.geometry import resize
from fststyle.images.noise import NOISE_LEVELS, add_noise
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import open_source
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct
from fststyle.utils.signals import Stop

STYLED = 8
"""Of every so many frames the style loss is measured, which takes longer than all the rest."""
CUT = 0.4
"""Where less than this part of a frame can be followed the clip cuts: 0.01 at the cut of a cartoon,
0.79 and more elsewhere in it."""


def optical_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """H×W×2 float32: how far every pixel of ``before`` has gone to the right and down in ``after``,
    both H×W×3 uint8 RGB; dense inverse search (Kroeger et al. 2016)."""
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    old, new = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after))
    return search.calc(old, new, None)  # any array, of zeros too, would be where it begins


def warped(after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """H×W×C of the same type: the values to which ``flow`` leads from every pixel."""
    across, down = (flow[..., i] + grid for i, grid in enumerate(_grid(flow)))
    values = cv2.remap(after, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values)


def followed(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """H×W bool: the pixels that are in both pictures, by the flows from one to the other and back:
    these undo each other there, and it is no edge of something that moves, where neither is exact
    (Ruder et al. 2016, eqs. 5 and 6, after Sundaram et al. 2010)."""
    height, width = forward.shape[:2]
    back = warped(backward, forward)
    size = np.square(forward).sum(-1)
    undone = np.square(forward + back).sum(-1) < 0.01 * (size + np.square(back).sum(-1)) + 0.5
    slopes = sum(np.square(slope).sum(-1) for slope in np.gradient(forward, axis=(0, 1)))
    right, down = (forward[..., i] + grid for i, grid in enumerate(_grid(forward)))
    inside = (right >= 0) & (right <= width - 1) & (down >= 0) & (down <= height - 1)
    return undone & (slopes < 0.01 * size + 0.002) & inside


def warping_error(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, valid: np.ndarray
) -> float:
    """Root mean square of ``before`` − ``after`` followed along ``flow``, both H×W×3 in [0,1], over
    ``valid`` pixels and channels (Lai et al. 2018, of which this is the root)."""
    difference = before - warped(after, flow)
    return float(np.sqrt(np.square(difference[valid]).mean()))


def _grid(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of every pixel, H×W float32 each."""
    height, width = flow.shape[:2]
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return across.astype(np.float32), down.astype(np.float32)


class ClipFigures(NamedTuple):
    """What was measured on a clip.

    Attributes:
        frames: that were stylized.
        pairs: successive ones that were compared; where the clip cuts, nothing can be followed.
        own: warping error of the clip itself.
        errors, styles: warping error and style loss of every network's pictures, by name.
    """

    frames: int
    pairs: int
    own: float
    errors: dict[str, float]
    styles: dict[str, float]


def check_clips(clips: Sequence[Path], networks: Sequence[Path], failures: Failures) -> list[Path]:
    """The clips that can be read, each once. Raises FileNotFoundError or ValueError where the only
    one cannot, or where what is to be measured is a folder of pictures."""
    if clips:
        for path in networks:
            if path.is_dir():
                raise ValueError(f"{path}: --videos measures networks, not folders of pictures")

    def readable(clip: Path) -> Path:
        open_source(str(clip)).close()
        return clip

    return open_all(list(dict.fromkeys(clips)), readable, failures)


@torch.no_grad()
def measure_videos(
    networks: Sequence[ModelResult],
    clips: Sequence[Path],
    shorter: int,
    count: int,
    failures: Failures,
    stop: Stop,
) -> dict[str, ClipFigures]:
    """Figures by the clips' names; of clips that cannot be measured ``failures`` has the reasons.

    Frames are reduced to a shorter side of ``shorter`` pixels and have the noise that ``infer``
    adds. The first ``count`` frames of each clip are taken. Only pixels are compared that can be
    followed from frame to frame in the clip.
    """
    clip_figures: dict[str, ClipFigures] = {}
    for clip in clips:
        if stop.requested:
            break
        with failures.noting(clip):
            figures = _measure_clip(networks, clip, shorter, count, failures, stop)
            clip_figures[distinct(clip.stem, str(clip), clip_figures)] = figures
    return clip_figures


def _measure_clip(
    networks: Sequence[ModelResult],
    clip: Path,
    shorter: int,
    count: int,
    failures: Failures,
    stop: Stop,
) -> ClipFigures:
    """Raises ValueError where no frames can be compared."""
    own: list[float] = []
    errors: dict[str, list[float]] = {result.name: [] for result in networks}
    styles: dict[str, list[float]] = {result.name: [] for result in networks}
    frames = _shown(networks, clip, shorter, count, styles, failures)
    shown = tqdm(frames, clip.name, total=count, unit="frame")
    for (before, ours), (after, theirs) in pairwise(shown):
        if stop.requested:
            break
        forward, backward = optical_flow(before, after), optical_flow(after, before)
        valid = followed(forward, backward)
        if valid.mean() < CUT:
            continue
        own.append(warping_error(_scaled(before), _scaled(after), forward, valid))
        for name, values in errors.items():
            values.append(warping_error(ours[name], theirs[name], forward, valid))
    if not own:
        raise ValueError(f"no two successive frames of one scene in {shown.n} frame(s)")
    for name, values in errors.items():
        if not np.isfinite(values).all():
            failures.add(f"{name} on {clip}", "pictures that are not finite")
    return ClipFigures(
        shown.n,
        len(own),
        float(np.mean(own)),
        {name: float(np.mean(values)) for name, values in errors.items()},
        {name: float(np.mean(values)) for name, values in styles.items()},
    )


def video_table(networks: Sequence[ModelResult], videos: Mapping[str, ClipFigures]) -> str:
    """What ``measure_videos`` found, a line for every network and one for the clips themselves;
    Markdown."""

    def line(name: str, painting: str, errors: Sequence[float], styles: Sequence[float]) -> str:
        cells = [f"{value:.4f}" for value in (*errors, float(np.mean(errors)))]
        style = f"{np.mean(styles):.3f}" if styles else ""
        return f"| {' | '.join((name, painting, *cells, style))} |"

    clips = videos.values()
    return "\n".join(
        [
            f"| warping error | painting | {' | '.join(videos)} | mean | style |",
            "|---" * (len(videos) + 4) + "|",
            line("the clip itself", "", [clip.own for clip in clips], []),
            *(
                line(
                    result.name,
                    result.painting,
                    [clip.errors[result.name] for clip in clips],
                    [clip.styles[result.name] for clip in clips],
                )
                for result in networks
            ),
        ]
    )


def _shown(
    networks: Sequence[ModelResult],
    clip: Path,
    shorter: int,
    count: int,
    styles: Mapping[str, list[float]],
    failures: Failures,
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Each frame, and what every network makes of it, in [0,1]; adds to ``styles``."""
    with contextlib.closing(open_source(str(clip))) as source:
        frames = (item.pixels for item in source if isinstance(item, Frame))
        for number, pixels in enumerate(islice(frames, count)):
            image = Image.fromarray(pixels)
            frame = np.asarray(resize(image, min(1.0, shorter / min(image.size))))
            with_noise = Image.fromarray(add_noise(frame[None], NOISE_LEVELS)[0])
            outputs = {}
            for result in networks:
                output = result.output(clip, with_noise)
                assert isinstance(output, torch.Tensor)
                if number % STYLED == 0:
                    loss = style_of(result.objective, result.objective.maps(output))
                    styles[result.name].append(loss)
                outputs[result.name] = output[0].permute(1, 2, 0).float().cpu().numpy()
            yield frame, outputs
        for note in source.notes:
            print(f"{clip}: {note}", file=sys.stderr)
        if source.corrupt:
            failures.add(clip, f"{source.corrupt} corrupt frame(s) passed over")
        if source.failure:
            failures.add(clip, f"cannot be read to its end ({source.failure})")


def _scaled(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255
