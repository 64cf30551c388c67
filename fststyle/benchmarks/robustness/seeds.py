"""Well-formed files of every kind, from which damaged ones are made."""

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

WIDTH, HEIGHT = 74, 58
"""Of pictures and clips: numbers that are found again in the files' heads."""
FRAMES = 12
CHANNELS = 4
"""The networks' width."""

PICTURES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "grey.jpg": ("L", {}),
    "photo.jpg": ("RGB", {"quality": 90}),
    "progressive.jpg": ("RGB", {"progressive": True}),
    "cmyk.jpg": ("CMYK", {}),
    "turned.jpg": ("RGB", {"exif": "turned", "icc_profile": "srgb"}),
    "1.png": ("1", {}),
    "grey.png": ("L", {}),
    "grey_alpha.png": ("LA", {}),
    "16.png": ("I;16", {}),
    "palette.png": ("P", {"transparency": 3}),
    "photo.png": ("RGB", {"icc_profile": "srgb"}),
    "alpha.png": ("RGBA", {}),
    "moving.png": ("RGBA", {"save_all": True, "duration": 40}),
    "still.gif": ("P", {}),
    "moving.gif": ("P", {"save_all": True, "duration": 40, "loop": 0}),
    "photo.webp": ("RGB", {}),
    "lossless.webp": ("RGBA", {"lossless": True}),
    "moving.webp": ("RGB", {"save_all": True, "duration": 40}),
    "plain.tif": ("RGB", {}),
    "lzw.tif": ("RGB", {"compression": "tiff_lzw"}),
    "deflate.tif": ("RGBA", {"compression": "tiff_deflate"}),
    "jpeg.tif": ("RGB", {"compression": "jpeg"}),
    "packbits.tif": ("CMYK", {"compression": "packbits"}),
    "fax.tif": ("1", {"compression": "group4"}),
    "float.tif": ("F", {}),
    "16.tif": ("I;16", {}),
    "pages.tif": ("RGB", {"save_all": True}),
    "photo.bmp": ("RGB", {}),
    "palette.bmp": ("P", {}),
    "photo.ppm": ("RGB", {}),
    "grey.pgm": ("L", {}),
    "photo.tga": ("RGBA", {}),
    "runs.tga": ("RGB", {"compression": "tga_rle"}),
    "photo.jp2": ("RGB", {}),
    "photo.avif": ("RGB", {}),
    "photo.ico": ("RGBA", {}),
    "photo.icns": ("RGBA", {}),
    "photo.dds": ("RGBA", {}),
    "photo.qoi": ("RGBA", {}),
    "photo.sgi": ("RGB", {}),
    "photo.pcx": ("RGB", {}),
    "photo.im": ("RGB", {}),
    "photo.msp": ("1", {}),
    "photo.xbm": ("1", {}),
    "photo.dib": ("RGB", {}),
    "photo.blp": ("P", {}),
    "photo.mpo": ("RGB", {"save_all": True}),
    "photo.spider": ("F", {"format": "SPIDER"}),
}
"""File names to Pillow's mode and the options with which they are written."""

CLIPS: Mapping[str, tuple[str, str, str | None]] = {
    "h264.mp4": ("libx264", "yuv420p", "aac"),
    "h264.mkv": ("libx264", "yuv444p", "libopus"),
    "h264.ts": ("libx264", "yuv420p", "mp2"),
    "h265.mp4": ("libx265", "yuv420p", None),
    "vp8.webm": ("libvpx", "yuv420p", "libopus"),
    "vp9.webm": ("libvpx-vp9", "yuv420p", None),
    "mpeg4.avi": ("mpeg4", "yuv420p", "libmp3lame"),
    "mjpeg.mov": ("mjpeg", "yuvj420p", "pcm_s16le"),
    "mpeg1.mpg": ("mpeg1video", "yuv420p", "mp2"),
    "flv1.flv": ("flv", "yuv420p", "libmp3lame"),
    "wmv2.wmv": ("wmv2", "yuv420p", None),
    "prores.mov": ("prores_ks", "yuv422p10le", None),
    "ffv1.mkv": ("ffv1", "yuv420p", "flac"),
    "theora.ogv": ("libtheora", "yuv420p", "libvorbis"),
}
"""File names to FFmpeg's names of their encoder, pixel format and sound."""


def tiny_training(photos: Path, painting: Path, run: Path, *more: object) -> list[object]:
    """Arguments of ``fststyle`` for a training of a second, called "tiny", on the CPU."""
    return [
        *("train", "--content", photos, "--style", painting, "--name", "tiny", "--run-dir", run),
        *("--width", CHANNELS, "--loss-network", "small", "--no-calibrate", "--method", "plain"),
        *("--device", "cpu", "--precision", "fp32", "--image-size", 32, "--style-size", 32),
        *("--batch-size", 1, *more),
    ]


def drawing(number: int = 0) -> Image.Image:
    """A smooth colourful picture, for every ``number`` another."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def write_pictures(folder: Path) -> list[Path]:
    """The ``PICTURES`` that this Pillow writes."""
    folder.mkdir()
    made = []
    for name, (mode, options) in PICTURES.items():
        if _can(lambda name=name, m=mode, o=options: _write_picture(folder / name, m, o)):  # type: ignore[misc]
            made.append(folder / name)
    (folder / "photo.sun").write_bytes(
        struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, 3 * WIDTH * HEIGHT, 1, 0, 0)
        + drawing().tobytes()
    )
    return [*made, folder / "photo.sun"]


def _write_picture(path: Path, mode: str, options: Mapping[str, Any]) -> None:
    options = dict(options)
    images = [_in_mode(drawing(number), mode) for number in range(3)]
    if options.get("exif"):
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    if options.get("icc_profile"):
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        options["icc_profile"] = profile.tobytes()
    if options.get("save_all"):
        options["append_images"] = images[1:]
    images[0].save(path, **options)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def write_clips(folder: Path) -> list[Path]:
    """The ``CLIPS`` that this FFmpeg encodes, and a moving GIF."""
    folder.mkdir()
    made = []
    for name, (codec, form, sound) in CLIPS.items():
        if _can(lambda n=name, c=codec, f=form, s=sound: _write_clip(folder / n, c, f, s)):  # type: ignore[misc]
            made.append(folder / name)
    _write_picture(folder / "moving.gif", "P", {"save_all": True, "duration": 40})
    return [*made, folder / "moving.gif"]


def _write_clip(path: Path, codec: str, pix_fmt: str, sound: str | None) -> None:
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, pix_fmt
        video.codec_context.thread_count = 1
        if codec == "libx265":
            video.codec_context.options = {"x265-params": "log-level=none"}
        audio: Any = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number in range(FRAMES):
            frame: Any = av.VideoFrame.from_image(drawing(number // 4)).reformat(format=pix_fmt)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            context = audio.codec_context
            size = context.frame_size or 1024
            tone = np.sin(np.arange(size) / 20)[None].astype(np.float32)
            for start in range(0, 48000 * FRAMES // 25, size):
                block = av.AudioFrame.from_ndarray(tone, format="flt", layout="mono")
                block.sample_rate, block.pts = 48000, start
                for part in av.AudioResampler(context.format, "mono", 48000).resample(block):
                    container.mux(audio.encode(part))
            container.mux(audio.encode())


def _can(write: Callable[[], None]) -> bool:
    """Whether ``write`` is within what the libraries were built with."""
    try:
        write()
    except (OSError, ValueError, KeyError, av.error.FFmpegError):
        return False
    return True


def write_pytorch_examples(folder: Path) -> list[Path]:
    """A network of pytorch/examples' ``fast_neural_style``, as .pth and as .npz."""
    folder.mkdir()
    random, width = torch.Generator().manual_seed(0), CHANNELS
    shapes = {
        "conv1.conv2d": (width, 3, 9),
        "conv2.conv2d": (2 * width, width, 3),
        "conv3.conv2d": (4 * width, 2 * width, 3),
        "deconv1.conv2d": (2 * width, 4 * width, 3),
        "deconv2.conv2d": (width, 2 * width, 3),
        "deconv3.conv2d": (3, width, 9),
    }
    norms = {"in1": width, "in2": 2 * width, "in3": 4 * width, "in4": 2 * width, "in5": width}
    for block in range(1, 6):
        for part in (1, 2):
            shapes[f"res{block}.conv{part}.conv2d"] = (4 * width, 4 * width, 3)
            norms[f"res{block}.in{part}"] = 4 * width
    state: dict[str, torch.Tensor] = {}
    for name, (to, of, side) in shapes.items():
        state[f"{name}.weight"] = torch.randn(to, of, side, side, generator=random) * 0.1
        state[f"{name}.bias"] = torch.zeros(to)
    for name, channels in norms.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.ones(channels), torch.zeros(channels)
    torch.save(state, folder / "examples.pth")
    arrays = io.BytesIO()
    np.savez(arrays, **{name: tensor.numpy() for name, tensor in state.items()})  # type: ignore[arg-type]
    (folder / "examples.npz").write_bytes(arrays.getvalue())
    return [folder / "examples.pth", folder / "examples.npz"]
