"""How steady stylized videos are: the warping error between their frames, and what becomes of a
picture that moves."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fststyle.evaluation.films import films_of, frames_of, open_clip
from fststyle.evaluation.model_result import AddGrain, ModelResult, style_of
from fststyle.evaluation.moves import MOVES, move_errors
from fststyle.images.flow import followed, optical_flow, warped
from fststyle.images.geometry import resize
from fststyle.images.io import to_uint8
from fststyle.images.noise import GRAIN
from fststyle.inference.video.steady import FilmGrain, SteadyStrokes
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct
from fststyle.utils.signals import Stop

STYLED = 8
"""Of every so many frames style loss and moves are measured, which take longer than the rest."""
APART = 10
"""Frames over which it is measured, beside neighbours, how far strokes drift."""
CUT = 0.4
"""Where less than this part of a frame can be followed the clip cuts: 0.01 at the cut of a cartoon,
0.79 and more elsewhere in it."""


def warping_error(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, valid: np.ndarray
) -> float:
    """Root mean square of ``before`` − ``after`` followed along ``flow``, both H×W×3 in [0,1], over
    ``valid`` pixels and channels (Lai et al. 2018, of which this is the root)."""
    difference = before - warped(after, flow)
    return float(np.sqrt(np.square(difference[valid]).mean()))


@dataclass
class Figures:
    """What was measured of one network's pictures of a clip, or of the clip itself.

    Attributes:
        neighbours, apart: warping errors of successive frames, and of those ``APART`` frames apart.
        styles: style losses.
        moves: root mean square of what changes when a picture moves, by pixels.
    """

    neighbours: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    styles: list[float] = field(default_factory=list)
    moves: dict[str, list[float]] = field(default_factory=dict)

    def means(self) -> dict[str, Any]:
        """Means, of what was measured; None elsewhere."""

        def mean(values: Sequence[float]) -> float | None:
            return float(np.mean(values)) if values else None

        return {
            "root": mean(self.neighbours),
            "mean_square": mean([error**2 for error in self.neighbours]),
            f"root_{APART}_apart": mean(self.apart),
            "style": mean(self.styles),
            "moves": {pixels: mean(errors) for pixels, errors in self.moves.items()},
        }


class ClipFigures(NamedTuple):
    """What was measured on a clip.

    Attributes:
        frames: that were stylized.
        pairs: successive ones that were compared; where the clip cuts, nothing can be followed.
        own: of the clip itself.
        networks: of every network's pictures, by name; of a film that cannot be read, none.
    """

    frames: int
    pairs: int
    own: dict[str, Any]
    networks: dict[str, dict[str, Any]]


def check_clips(clips: Sequence[Path], failures: Failures) -> list[Path]:
    """The clips that can be read, each once. Raises FileNotFoundError or ValueError where the only
    one cannot."""

    def readable(clip: Path) -> Path:
        open_clip(clip).close()
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
    *,
    steady: float = 0.0,
) -> dict[str, ClipFigures]:
    """Figures by the clips' names; of clips that cannot be measured ``failures`` has the reasons.

    Frames are reduced to a shorter side of ``shorter`` pixels and have the noise that ``infer``
    adds; networks' pictures are averaged along the motion as its ``--steady`` does. The first
    ``count`` frames of each clip are taken. Only pixels are compared that can be followed from
    frame to frame in the clip.
    """
    clip_figures: dict[str, ClipFigures] = {}
    for clip in clips:
        if stop.requested:
            break
        with failures.noting(clip):
            figures = _measure_clip(networks, clip, shorter, count, failures, stop, steady)
            clip_figures[distinct(clip.stem, str(clip), clip_figures)] = figures
    return clip_figures


def _measure_clip(
    networks: Sequence[ModelResult],
    clip: Path,
    shorter: int,
    count: int,
    failures: Failures,
    stop: Stop,
    steady: float,
) -> ClipFigures:
    """Raises ValueError where no frames can be compared."""
    own = Figures()
    by_name: dict[str, Figures] = {result.name: Figures() for result in networks}
    before: list[_Step] = []  # the last APART of one scene
    frames = _shown(networks, clip, shorter, count, by_name, own, failures, steady)
    shown = tqdm(frames, clip.name, total=count, unit="frame")
    for frame, pictures in shown:
        if stop.requested:
            break
        if before:
            last = before[-1]
            last.forward = optical_flow(last.frame, frame)
            last.valid = followed(last.forward, optical_flow(frame, last.frame))
            if last.valid.mean() < CUT:
                before = []
        for distance in (1, APART):
            if len(before) >= distance:
                flow, valid = _chained(before[-distance:])
                if valid.any():
                    earlier = {"": _scaled(before[-distance].frame), **before[-distance].pictures}
                    now = {"": _scaled(frame), **pictures}
                    for name in earlier.keys() & now.keys():
                        error = warping_error(earlier[name], now[name], flow, valid)
                        figures = by_name[name] if name else own
                        (figures.neighbours if distance == 1 else figures.apart).append(error)
        before = [*before[1 - APART :], _Step(frame, pictures)]
    if not own.neighbours:
        raise ValueError(f"no two successive frames of one scene in {shown.n} frame(s)")
    for name, figures in by_name.items():
        if not np.isfinite(figures.neighbours).all():
            failures.add(f"{name} on {clip}", "pictures that are not finite")
    measured = {name: figures.means() for name, figures in by_name.items() if figures.neighbours}
    return ClipFigures(shown.n, len(own.neighbours), own.means(), measured)


@dataclass
class _Step:
    """A frame, what networks made of it, and the flow to the next one with where that holds."""

    frame: np.ndarray
    pictures: Mapping[str, np.ndarray]
    forward: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 2), np.float32))
    valid: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))


def _chained(steps: Sequence[_Step]) -> tuple[np.ndarray, np.ndarray]:
    """(the flow over all ``steps``; the pixels that can be followed through all of them)."""
    flow, valid = steps[0].forward, steps[0].valid
    for step in steps[1:]:
        valid = valid & (warped(step.valid.astype(np.float32), flow) > 0.99)
        flow = flow + warped(step.forward, flow)
    return flow, valid


def video_table(networks: Sequence[ModelResult], videos: Mapping[str, ClipFigures]) -> str:
    """What ``measure_videos`` found, a line for every network and one for the clips themselves, in
    two tables; Markdown."""
    rows = [("the clip itself", "", [clip.own for clip in videos.values()])]
    for result in networks:
        found = [clip.networks.get(result.name, {}) for clip in videos.values()]
        rows.append((result.name, result.painting, found))

    def cell(values: Sequence[float | None], digits: int = 4) -> str:
        numbers = [value for value in values if value is not None]
        return f"{np.mean(numbers):.{digits}f}" if len(numbers) == len(videos) else "–"

    apart = f"{APART} frames apart"
    columns = ["warping error", "painting", *videos, "mean", "mean square", apart, "style"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, painting, found in rows:
        roots = [clip.get("root") for clip in found]
        single = [f"{root:.4f}" if root is not None else "–" for root in roots]
        squares = cell([clip.get("mean_square") for clip in found], 5)
        distant = cell([clip.get(f"root_{APART}_apart") for clip in found])
        style = cell([clip.get("style") for clip in found], 3)
        cells = [name, painting, *single, cell(roots), squares, distant, style]
        lines.append(f"| {' | '.join(cells)} |")
    pixels = [f"{move:g}" for move in MOVES]
    lines += [
        "",
        f"| a picture moved by | {' | '.join(f'{p} px' for p in pixels)} |",
        "|---" * (len(pixels) + 1) + "|",
    ]
    for name, _, found in rows:
        moves = [clip.get("moves") or {} for clip in found]
        cells = [cell([clip.get(p) for clip in moves]) for p in pixels]
        lines.append(f"| {' | '.join((name, *cells))} |")
    return "\n".join(lines)


def _shown(
    networks: Sequence[ModelResult],
    clip: Path,
    shorter: int,
    count: int,
    figures: Mapping[str, Figures],
    own: Figures,
    failures: Failures,
    steady: float,
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Each frame, and what every network or film has of it, in [0,1]; adds to ``figures`` and
    ``own`` what is told of single frames."""
    strokes = {result.name: SteadyStrokes(steady) for result in networks if result.film is None}
    grain = FilmGrain(GRAIN, steady=steady > 0)
    with contextlib.ExitStack() as stack:
        films = films_of(networks, clip, failures, stack)
        source = stack.enter_context(contextlib.closing(open_clip(clip)))
        for number, pixels in enumerate(islice(frames_of(source), count)):
            image = Image.fromarray(pixels)
            frame = np.asarray(resize(image, min(1.0, shorter / min(image.size))))
            size = frame.shape[1], frame.shape[0]
            motion = grain.follow(frame)
            outputs: dict[str, np.ndarray] = {}
            for result in networks:
                if result.film is None:
                    picture = _picture(result, clip, Image.fromarray(frame), grain.add)
                    if steady:
                        picture = _scaled(strokes[result.name](to_uint8(picture), motion))
                elif result.name in films and (film := next(films[result.name], None)) is not None:
                    shown = Image.fromarray(film)
                    picture = _scaled(np.asarray(shown.resize(size, Image.Resampling.LANCZOS)))
                else:
                    if films.pop(result.name, None):
                        failures.add(f"{result.name} on {clip}", f"ends after {number} frame(s)")
                    continue
                outputs[result.name] = picture
                if number % STYLED == 0:
                    figures[result.name].styles.append(_style(result, picture))
            if number % STYLED == 0:
                _add_moves(own, move_errors(lambda x: _scaled(np.asarray(x)), image, size))
                for result in networks:
                    if result.film is None:
                        changes = move_errors(partial(_picture, result, STILL), image, size)
                        _add_moves(figures[result.name], changes)
            yield frame, outputs
        for note in source.notes:
            print(f"{clip}: {note}", file=sys.stderr)
        if source.corrupt:
            failures.add(clip, f"{source.corrupt} corrupt frame(s) passed over")
        if source.failure:
            failures.add(clip, f"cannot be read to its end ({source.failure})")


STILL = Path("still.png")
"""The name of a picture by itself, for what tells pictures from films."""


def _picture(
    result: ModelResult, name: Path, image: Image.Image, grain: AddGrain | None = None
) -> np.ndarray:
    """H×W×3 float32 in [0,1]: what a network makes of a frame of ``name``."""
    output = result.output(name, image, grain)
    assert isinstance(output, torch.Tensor)
    return np.asarray(output[0].permute(1, 2, 0).float().cpu().numpy())


def _style(result: ModelResult, picture: np.ndarray) -> float:
    device = next(iter(result.objective.grams.values())).device
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].to(device)
    return style_of(result.objective, result.objective.maps(pixels))


def _add_moves(figures: Figures, errors: Mapping[str, float]) -> None:
    for pixels, error in errors.items():
        figures.moves.setdefault(pixels, []).append(error)


def _scaled(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255
