"""How steady stylized videos are: the warping error between successive frames."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fststyle.evaluation.measured import Measured, style_of
from fststyle.images import resize
from fststyle.runtime.grain import GRAIN, add_grain
from fststyle.runtime.video import Frame, VideoSource

STYLED = 8
"""Of every so many frames the style loss is measured, which takes longer than all the rest."""


def optical_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """H×W×2 float32: how far every pixel of ``before`` has gone to the right and down in ``after``,
    both H×W×3 uint8 RGB; dense inverse search (Kroeger et al. 2016)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
    return search.calc(*grey, None)  # type: ignore[call-overload]


def warped(after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """H×W×C of the same type: the values to which ``flow`` leads from every pixel."""
    places = flow + np.stack(_grid(flow), -1)
    return cv2.remap(  # type: ignore[call-overload]
        after, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


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


@torch.no_grad()
def measure_videos(
    networks: Sequence[Measured],
    clips: Sequence[Path],
    shorter: int,
    count: int,
    device: torch.device,
) -> dict[str, dict[str, dict[str, float]]]:
    """Warping error and style loss of every network, and the warping error of the clip itself, as
    ``{clip: {name: {"warping error", "style"}}}``.

    Frames are reduced to a shorter side of ``shorter`` pixels and have the grain that ``infer``
    adds. The first ``count`` frames of each clip are taken. Only pixels are compared that can be
    followed from frame to frame in the clip.

    Raises FileNotFoundError or ValueError with the reason.
    """
    for measured in networks:
        if measured.folder:
            raise ValueError(f"{measured.name}: --videos measures networks, not folders")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for clip in clips:
        errors: dict[str, list[float]] = {"the clip": []}
        styles: dict[str, list[float]] = {}
        shown = _shown(networks, clip, shorter, count, device, styles)
        steps = pairwise(tqdm(shown, desc=clip.name, unit="frame", total=count))
        for (before, ours), (after, theirs) in steps:
            forward, backward = optical_flow(before, after), optical_flow(after, before)
            valid = followed(forward, backward)
            if not valid.any():  # a cut
                continue
            pictures = {
                "the clip": (_scaled(before), _scaled(after)),
                **{name: (ours[name], theirs[name]) for name in ours},
            }
            for name, pair in pictures.items():
                errors.setdefault(name, []).append(warping_error(*pair, forward, valid))
        if not errors["the clip"]:
            raise ValueError(f"{clip}: no two frames in which the same could be followed")
        key = str(clip) if clip.stem in found else clip.stem
        found[key] = {
            name: {
                "warping error": float(np.mean(values)),
                **({"style": float(np.mean(styles[name]))} if name in styles else {}),
            }
            for name, values in errors.items()
        }
    return found


def video_table(videos: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """What ``measure_videos`` found, a line for every network and one for the clips themselves;
    Markdown."""
    first = next(iter(videos.values()))
    lines = [
        f"| warping error | {' | '.join(videos)} | mean | style |",
        "|---" * (len(videos) + 3) + "|",
    ]
    for name in first:
        errors = [clip[name]["warping error"] for clip in videos.values()]
        cells = [f"{value:.4f}" for value in (*errors, float(np.mean(errors)))]
        styles = [clip[name]["style"] for clip in videos.values() if "style" in clip[name]]
        cells.append(f"{np.mean(styles):.3f}" if styles else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(
    networks: Sequence[Measured],
    clip: Path,
    shorter: int,
    count: int,
    device: torch.device,
    styles: dict[str, list[float]],
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Each frame, and what every network makes of it, in [0,1]; adds to ``styles``."""
    with contextlib.closing(VideoSource(str(clip))) as source:
        frames = (item.pixels for item in source if isinstance(item, Frame))
        for number, pixels in enumerate(islice(frames, count)):
            image = Image.fromarray(pixels)
            frame = np.asarray(resize(image, min(1.0, shorter / min(image.size))))
            grained = Image.fromarray(add_grain(frame[None], GRAIN)[0])
            made = {}
            for measured in networks:
                output = measured.output(clip, grained)
                assert isinstance(output, torch.Tensor)
                if number % STYLED == 0:
                    loss = style_of(measured.objective, measured.objective.maps(output))
                    styles.setdefault(measured.name, []).append(loss)
                made[measured.name] = output[0].permute(1, 2, 0).float().cpu().numpy()
            yield frame, made


def _scaled(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255
