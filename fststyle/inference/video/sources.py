"""Whatever has frames."""

from pathlib import Path

from fststyle.inference.video.folders import FolderSource
from fststyle.inference.video.moving_pictures import MovingPicture, is_moving_picture
from fststyle.inference.video.reader import VideoSource

Source = VideoSource | FolderSource | MovingPicture


def open_source(source: str, max_size: int | None = None, rate: float | None = None) -> Source:
    """The frames of a video, a stream, a camera, an animated picture, or, given a ``rate`` in
    frames per second, of a folder's pictures; ``max_size`` as ``VideoSource`` has it.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if rate and Path(source).is_dir():
        return FolderSource(Path(source), rate, max_size)
    if is_moving_picture(source):
        return MovingPicture(Path(source), max_size)
    return VideoSource(source, max_size)
