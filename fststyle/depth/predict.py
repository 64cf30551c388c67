"""Depth of pictures: of one in Python, of many as files (``fststyle depth predict``)."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from fststyle.config import DepthPredictConfig, DepthSettings
from fststyle.config.calls import from_settings
from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.maps import colorize, write_depth_png
from fststyle.depth.opening import open_estimator
from fststyle.depth.steady import SteadyDepth, SteadyRange
from fststyle.images.arrays import check_frames
from fststyle.images.find import is_picture_name
from fststyle.images.grid import sheet
from fststyle.images.inputs import check_sources, distinct, plan
from fststyle.images.io import as_rgb, read_image, to_uint8, write_image
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.signals import Stop, watch_signals


def estimate_depth(
    image: Image.Image | str | os.PathLike[str] | npt.NDArray[np.uint8],
    *,
    network: str | os.PathLike[str] | None = None,
    size: int | None = None,
    flip: bool = False,
    steady: bool = False,
    device: str = "auto",
    vgg_weights: str | os.PathLike[str] | None = None,
) -> npt.NDArray[np.float32]:
    """Relative depth of every pixel, larger = farther; scale and zero are the network's own.

    >>> import fststyle
    >>> depth = fststyle.estimate_depth("photo.jpg", network="hourglass", device="cpu")
    >>> depth.shape, depth.dtype
    ((48, 64), dtype('float32'))

    Args:
        image: the path of a picture, a Pillow image, or an array, H×W×3 or N×H×W×3 uint8, RGB.
        network: NAME.safetensors, NAME.onnx (which needs no torch), transformers:NAME, or one that
            ships: "vgg_head", "fast" or "hourglass"; None takes the best of these that can be
            used, without torch "fast". The last one stays open for the next call.
        size: side of the square whose area pictures are reduced to; None as in training.
        flip: average with the mirrored picture's depth: twice the time, better.
        steady: the N pictures are a video's frames, whose depth is averaged along time.
        device: of torch: "auto", "cpu", "cuda", "cuda:1", "mps" …
        vgg_weights: VGG-19's, which "vgg_head" reads; None takes $FSTSTYLE_ASSETS, then
            torchvision's.

    Returns H×W float32 of the picture's own size, or N×H×W.

    Raises:
        FileNotFoundError: no such file.
        TypeError: an array of another type than uint8.
        ValueError: a damaged picture or network, an array of another shape, a depth that is not
            finite.
    """
    config = DepthSettings(
        network=network, size=size, flip=flip, device=device, vgg_weights=vgg_weights
    )
    estimator = _open(config.network, config.vgg_weights, config.device)
    average = SteadyDepth(estimator, config.size, flip=config.flip) if steady else None

    def estimate(picture: Image.Image) -> np.ndarray:
        if not min(picture.size):
            raise ValueError("a picture has at least one pixel each way")
        return average(picture) if average else estimator(picture, size=size, flip=flip)

    if not isinstance(image, np.ndarray):
        opened = as_rgb(image) if isinstance(image, Image.Image) else read_image(Path(image))
        return estimate(opened)
    check_frames(image, dimensions=(3, 4))
    if image.ndim == 3:
        return estimate(Image.fromarray(image))
    depths = [estimate(Image.fromarray(frame)) for frame in image]
    return np.stack(depths) if depths else np.zeros(image.shape[:3], np.float32)


@lru_cache(maxsize=1)
def _open(network: str | None, vgg_weights: Path | None, device: str) -> DepthEstimator:
    return open_estimator(network, vgg_weights, device)


def _is_clip(path: Path) -> bool:
    if is_picture_name(path) or not path.is_file():
        return False
    from fststyle.inference.video.media import is_called_video

    return is_called_video(path)


def _film(clip: Path, target: Path, depth: SteadyDepth, stop: Stop) -> str:
    """Write the depth of a video as a video; a line on why it is not whole, where it is not."""
    # Imported where there is a video, since a picture is done sooner without.
    from fststyle.inference.video.pipeline import report, stylize_video
    from fststyle.inference.video.sources import open_source

    shades = SteadyRange()

    def nearness(frame: np.ndarray) -> np.ndarray:
        told = depth(Image.fromarray(frame))
        return shades(told, begins=depth.begins)

    def shown(frames: np.ndarray, *_: object) -> list[np.ndarray]:
        near = np.stack([to_uint8(nearness(frame)) for frame in frames])
        return [np.repeat(near[..., None], 3, 3)]

    result = stylize_video(
        open_source(str(clip)),
        [target],
        shown,
        codec=None,
        quality=18,
        stopped=lambda: stop.requested,
    )
    return report(result, str(clip))


@from_settings(DepthPredictConfig)
def predict(config: DepthPredictConfig) -> int:
    """Depth maps of every input; returns 0, 1 where some could not be made, 130 when stopped.

    ``OUTPUT/depth/NAME.png`` holds 16-bit depth, 1 nearest to 65534 farthest, which ``--data``
    reads back; ``OUTPUT/colour/NAME.jpg`` shows photo and depth, near light and far dark. Of videos
    ``OUTPUT/depth/NAME.mp4`` shows depth, near bright and far dark, averaged along time.
    """
    estimator = open_estimator(config.network, config.vgg_weights, config.device)
    failures = Failures()
    jobs = _planned(config, failures)
    planned, done = len(jobs), 0
    jobs = writable_jobs(jobs, lambda job: job[1:], config.overwrite, failures)
    with watch_signals() as stop:
        for source, target, *shown in tqdm(jobs, unit="file"):
            if stop.requested or failures.disk_full:
                break
            with failures.noting(source):
                if not shown:
                    broken = _film(
                        source, target, SteadyDepth(estimator, config.size, flip=config.flip), stop
                    )
                    if broken:
                        failures.add(source, broken)
                    done += not stop.requested
                    continue
                image = read_image(source)
                depth = estimator(image, size=config.size, flip=config.flip)
                pair = sheet([[image, colorize(depth)]], height=min(480, image.height))
                write_depth_png(depth, target)
                write_image(pair, shown[0])
                done += 1
    status = failures.report()
    print(f"{done} of {planned} depth maps in {config.output}")
    return 130 if stop.requested else status


def _planned(config: DepthPredictConfig, failures: Failures) -> list[tuple[Path, ...]]:
    """(picture, its depth map, both side by side) of every picture, then (video, its depth).

    Raises what ``plan`` does.
    """
    folder, jobs = config.output / "depth", list[tuple[Path, ...]]()
    clips = [Path(name) for name in config.inputs if _is_clip(Path(name))]
    pictures = [name for name in config.inputs if Path(name) not in clips]
    if pictures or not clips:
        for photo, target in plan(pictures, folder, failures, (".png",)):
            shown = config.output / "colour" / target.relative_to(folder).with_suffix(".jpg")
            jobs.append((photo, target, shown))
    names = distinct([Path(clip.name).with_suffix(".mp4") for clip in clips], clips)
    films = [folder / name for name in names]
    check_sources(clips, films)
    return [*jobs, *zip(clips, films, strict=True)]
