"""A clip at another size: ``python experiments/enlarge.py CLIP.mp4 LARGE.mp4 1920x1080``."""

import sys
from pathlib import Path

import av

from fststyle.utils.files import atomic_write


def main(source: str, target: str, size: str) -> None:
    width, height = map(int, size.split("x"))
    with (
        atomic_write(Path(target)) as temporary,
        av.open(source) as clip,
        av.open(str(temporary), "w", format="mp4") as enlarged,
    ):
        rate = clip.streams.video[0].average_rate
        assert rate
        stream = enlarged.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(clip.decode(video=0)):
            larger = frame.reformat(width, height, format="yuv420p")
            larger.pts, larger.time_base = number, 1 / rate
            enlarged.mux(stream.encode(larger))
        enlarged.mux(stream.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
