"""Stylize a folder or a bucket of pictures with Ray Data, on one machine or a cluster.

    pip install ".[examples]"
    python examples/ray_stylize.py photos stylized --workers 4
    python examples/ray_stylize.py s3://photos/2025 s3://stylized/2025 --style udnie --gpus 1

Input and output are local folders (on a cluster: shared ones) or what pyarrow opens: s3://, gs://,
hdfs://. Pictures keep their names below them. What is there already is not made again, so that a
job that was stopped goes on when it is started again. A picture that fails is named at the end, and
the others are done.

Exit status: 0; 1 where pictures failed; 2 where nothing could be begun.
"""

import argparse
import io
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import ray
from PIL import Image, UnidentifiedImageError
from PIL.Image import DecompressionBombError
from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType

import fststyle

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
FAILURES = (OSError, ValueError, SyntaxError, MemoryError, ArrowException, DecompressionBombError)
"""What a picture, or the place it is read from or written to, can fail with."""
Folder = tuple[FileSystem, str]
"""A file system and a folder in it, which may be sent to other machines."""
BATCH = 8
"""Pictures that an actor takes at a time; they are read and written side by side."""


class Stylize:
    """An actor: opens the style once, then takes batches of names of pictures."""

    def __init__(
        self, source: Folder, target: Folder, style: str, threads: int, controls: dict[str, Any]
    ) -> None:
        self.source, self.target = source, target
        self.stylize = fststyle.load_style(style, threads=threads)
        self.controls = controls
        self.one_at_a_time = threading.Lock()

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[str]]:
        names = [str(name) for name in batch["name"]]
        with ThreadPoolExecutor(BATCH) as pool:
            return {"name": names, "error": list(pool.map(self.attempt, names))}

    def attempt(self, name: str) -> str:
        """Stylize one picture; returns what went wrong, or nothing."""
        try:
            filesystem, folder = self.source
            with filesystem.open_input_file(f"{folder}/{name}") as file:
                image = Image.open(io.BytesIO(file.read()))
            with self.one_at_a_time:
                stylized = self.stylize(image, **self.controls)
            write(*self.target, name, encode(stylized, PurePosixPath(name).suffix.lower()))
        except UnidentifiedImageError:
            return "not a picture that can be read"
        except FAILURES as error:
            return str(error) or type(error).__name__
        return ""


def encode(image: Image.Image, suffix: str) -> bytes:
    """The bytes of a file with that suffix, with the picture's colour profile."""
    data, kind = io.BytesIO(), Image.registered_extensions()[suffix]
    image = image.convert("RGB") if kind == "JPEG" else image
    image.save(data, kind, quality=95, icc_profile=image.info.get("icc_profile"))
    return data.getvalue()


def open_folder(place: str) -> Folder:
    """Of a path or a URI."""
    uri = place if "://" in place else os.path.abspath(place)
    filesystem, folder = FileSystem.from_uri(uri)
    return filesystem, folder.rstrip("/")


def write(filesystem: FileSystem, folder: str, name: str, data: bytes) -> None:
    """A file, whole or not at all: object stores show it when it is complete, folders would not."""
    path = f"{folder}/{name}"
    is_local = filesystem.type_name == "local"
    if is_local:
        filesystem.create_dir(str(PurePosixPath(path).parent))
    with filesystem.open_output_stream(f"{path}.part" if is_local else path) as stream:
        stream.write(data)
    if is_local:
        filesystem.move(f"{path}.part", path)


def find_pictures(filesystem: FileSystem, folder: str, *, missing_ok: bool = False) -> list[str]:
    """The names of pictures below ``folder``, sorted."""
    selector = FileSelector(folder, recursive=True, allow_not_found=missing_ok)
    files = [info for info in filesystem.get_file_info(selector) if info.type == FileType.File]
    names = (PurePosixPath(file.path).relative_to(folder).as_posix() for file in files)
    return sorted(name for name in names if name.lower().endswith(SUFFIXES))


def stylize_all(
    names: list[str], source: Folder, target: Folder, controls: Any, options: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """(name, what went wrong or nothing) of each picture, as it is done."""
    results = ray.data.from_items([{"name": name} for name in names]).map_batches(
        Stylize,
        fn_constructor_args=(source, target, options.style, options.cpus, controls),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        num_cpus=options.cpus,
        num_gpus=options.gpus,
    )
    for row in results.iter_rows():
        yield row["name"], row["error"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Stylize pictures with Ray Data.")
    parser.add_argument("source", help="a folder, or s3://bucket/folder")
    parser.add_argument("target", help="the same, for what is made")
    parser.add_argument("--style", default="starry_night", help="a name, or an ONNX file")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--keep-color", action="store_true")
    parser.add_argument("--max-size", type=int, help="pixels of the longer side")
    parser.add_argument("--workers", type=int, default=2, help="actors, each with the style")
    parser.add_argument("--cpus", type=int, default=1, help="of each worker")
    parser.add_argument("--gpus", type=float, default=0, help="of each worker, or a part of one")
    options = parser.parse_args()
    controls = {name: getattr(options, name) for name in ("strength", "keep_color", "max_size")}
    try:
        # What is wrong with the style or the controls is said once, and not of every picture.
        stylize = fststyle.load_style(options.style, provider="cpu")
        stylize(np.zeros((32, 32, 3), np.uint8), **controls)
        source, target = open_folder(options.source), open_folder(options.target)
        if f"{target[1]}/".startswith(f"{source[1]}/") and source[0] == target[0]:
            raise ValueError(f"{options.target}: lies in {options.source}, and would be read, too")
        names = find_pictures(*source)
        done = set(find_pictures(*target, missing_ok=True))
    except (OSError, ValueError, ArrowException) as error:
        print(error, file=sys.stderr)
        return 2
    missing = [name for name in names if name not in done]
    failures = []
    if missing:
        results = stylize_all(missing, source, target, controls, options)
        failures = sorted((name, reason) for name, reason in results if reason)
    for name, reason in failures:
        print(f"{name}: {reason}", file=sys.stderr)
    made, kept = len(missing) - len(failures), len(names) - len(missing)
    print(f"{made} of {len(missing)} stylized into {options.target}; {kept} there already")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
