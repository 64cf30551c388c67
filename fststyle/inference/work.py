"""What ``infer`` makes of its inputs, and the files it writes."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
from PIL import Image

from fststyle.config import InferConfig
from fststyle.images.inputs import (
    InputFiles,
    Named,
    check_sources,
    distinct,
    picture_name,
    search,
)
from fststyle.images.io import WRITERS, check_writable
from fststyle.inference.video.folders import FolderTarget
from fststyle.inference.video.formats import CONTAINERS, check_video_name, output_name
from fststyle.inference.video.media import is_called_video, is_video
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.files import names_folder


class Job(NamedTuple):
    """An input; what is written of it by the number of the style, 0 for a cross-fade; and its name
    below the folder that was given."""

    source: Path
    targets: dict[int, Path]
    name: Path


@dataclass
class Work(InputFiles):
    """All there is to do.

    Attributes:
        pictures, videos: as their names say.
        total: inputs of all shards.
        existing: inputs whose results all exist already, and that are left out.
    """

    pictures: list[Job] = field(default_factory=list)
    videos: list[Job] = field(default_factory=list)
    total: int = 0
    existing: int = 0


def plan_work(config: InferConfig, failures: Failures) -> Work:
    """What is to be done; inputs that name nothing, and those whose result exists already, are
    noted as failures.

    Raises FileNotFoundError where no input names anything, FileExistsError where all there is to
    write would be overwritten unasked, ValueError where files cannot be written as they should.
    """
    moves = cache(is_video)
    frame_folders = [Path(name) for name in config.media if config.fps and os.path.isdir(name)]
    rest = [name for name in config.media if Path(name) not in frame_folders]
    into_folder = output_is_folder(config)
    if into_folder:
        _check_no_slip(config.output)
    inputs = search(
        rest,
        also=lambda file: moves(file) or is_called_video(file),  # it may be a picture even so
        without=Path(config.output) if into_folder else None,
    )
    for name, reason in inputs.missing.items():
        failures.add(name, reason)
    if not inputs.files and not frame_folders:
        inputs.report_passed()
        raise FileNotFoundError("\n".join(failures.reasons.values()) or "nothing to stylize")
    photos = [named for named in inputs.files.items() if not moves(named[0])]
    clips = [named for named in inputs.files.items() if moves(named[0])]
    clips += [(folder, Path(f"{folder.resolve().name}.mp4")) for folder in frame_folders]
    if config.crossfade:
        if not clips:
            raise ValueError("--crossfade changes from style to style in time: it takes videos")
        for file, _ in photos:
            failures.add(file, "--crossfade takes videos only")
        photos = []
    work = Work(inputs.files, inputs.missing, inputs.passed)
    targets = _in_folders if into_folder else _in_one_file
    pictures, videos = targets(config, photos, clips)
    sources = [job.source for job in (*pictures, *videos)]
    work.total = len(sources)
    work.pictures, work.videos = _take_shard(config, pictures, videos)
    _check_targets(config, work, sources, failures)
    return work


def _take_shard(
    config: InferConfig, pictures: Sequence[Job], videos: Sequence[Job]
) -> tuple[list[Job], list[Job]]:
    """Every M-th job of all, from the N-th on, for ``--shard N/M``.

    Dealt out like cards and not cut into stretches: neighbours in a folder are of a kind, a day's
    large photos or the parts of one film, and every shard is to take as long as the others. Jobs
    have been given their targets before, of which no two are the same, and are sorted by them: so
    shards agree whatever the order in which their file systems list folders.
    """
    number, count = config.part

    def name(job: Job) -> str:
        return next(iter(job.targets.values())).as_posix()

    jobs = [*sorted(pictures, key=name), *sorted(videos, key=name)]
    sources = {job.source for job in jobs[number - 1 :: count]}
    mine, films = ([job for job in kind if job.source in sources] for kind in (pictures, videos))
    return mine, films


@cache
def _file_suffixes() -> frozenset[str]:
    """Of pictures and of what FFmpeg knows."""
    Image.init()
    formats = [av.format.ContainerFormat(name).extensions for name in av.formats_available]
    extensions = (f".{suffix}" for suffixes in formats for suffix in suffixes)
    return frozenset((*WRITERS, *Image.registered_extensions(), *extensions))


def output_is_folder(config: InferConfig) -> bool:
    """Whether --output names a folder: one with a slash, one that exists, one without a suffix that
    files bear."""
    return names_folder(config.output, WRITERS) and names_folder(config.output, _file_suffixes())


def _check_no_slip(output: str) -> None:
    """Raise ValueError where a new folder's name looks like a file's, but for a slip of the
    fingers."""
    suffix = Path(output).suffix.lower()
    meant = difflib.get_close_matches(suffix, (*WRITERS, *CONTAINERS), 1, 0.74)
    if suffix and meant and not output.endswith((os.sep, "/")) and not os.path.isdir(output):
        raise ValueError(f"--output {output}: is {meant[0]} meant? A folder is {output}/")


def _in_folders(
    config: InferConfig, pictures: Sequence[Named], videos: Sequence[Named]
) -> tuple[list[Job], list[Job]]:
    """One folder, or for several styles one for each below it."""
    folders = [Path(config.output)]
    if len(config.models) > 1 and not config.crossfade:
        folders = [Path(config.output, path.stem) for path in config.models]
        if len({folder.name.casefold() for folder in folders}) < len(folders):
            raise ValueError("two of the styles have one name: rename one, it names a folder")
    originals = [name for _, name in (*pictures, *videos)]
    names = [picture_name(name) for _, name in pictures]
    for _, name in videos:
        video_name = output_name(name)
        names.append(video_name.with_suffix("") if config.frames else video_name)
    jobs = [
        Job(source, {number: folder / name for number, folder in enumerate(folders)}, original)
        for (source, original), name in zip(
            (*pictures, *videos), distinct(names, originals), strict=True
        )
    ]
    return jobs[: len(pictures)], jobs[len(pictures) :]


def _in_one_file(
    config: InferConfig, pictures: Sequence[Named], videos: Sequence[Named]
) -> tuple[list[Job], list[Job]]:
    output, count = Path(config.output), len(pictures) + len(videos)
    if count != 1 or (len(config.models) > 1 and not config.crossfade):
        raise ValueError(
            f"--output {output} names one file, but there are {count} input(s) and"
            f" {len(config.models)} style(s): give a folder, {output}/"
        )
    if not videos:
        if output.suffix.lower() in CONTAINERS.keys() - WRITERS.keys():
            raise ValueError(
                f"{pictures[0][0]} is no film that can be read, so --output {output} is to be a"
                f" picture: {', '.join(WRITERS)}"
            )
        check_writable(output)
        return [Job(pictures[0][0], {0: output}, pictures[0][1])], []
    if config.frames:
        raise ValueError("--frames writes a folder, so --output names one, without a suffix")
    check_video_name(output)
    return [], [Job(videos[0][0], {0: output}, videos[0][1])]


def _check_targets(
    config: InferConfig, work: Work, sources: Sequence[Path], failures: Failures
) -> None:
    """Leave out what exists, where that is wanted; else refuse to overwrite it, and do the rest.
    None of ``sources``, those of other shards included, is overwritten in any case."""
    if config.skip_existing:
        for jobs in (work.pictures, work.videos):
            remaining = [
                job._replace(targets={n: t for n, t in job.targets.items() if not _exists(t)})
                for job in jobs
            ]
            jobs[:] = [job for job in remaining if job.targets]
            work.existing += len(remaining) - len(jobs)
    jobs = [*work.pictures, *work.videos]
    check_sources(sources, [target for job in jobs for target in job.targets.values()])
    films = {job.source for job in work.videos}

    def written(job: Job) -> list[Path]:
        targets = list(job.targets.values())
        if config.frames and job.source in films:
            return [f for folder in targets for f in _frames(folder) or [folder / "000001.png"]]
        return targets

    writable = {job.source for job in writable_jobs(jobs, written, config.overwrite, failures)}
    for kind in (work.pictures, work.videos):
        kind[:] = [job for job in kind if job.source in writable]


def _exists(target: Path) -> bool:
    return bool(_frames(target)) if os.path.isdir(target) else os.path.lexists(target)


def _frames(folder: Path) -> list[Path]:
    """The pictures that a folder of frames holds."""
    if not os.path.isdir(folder):
        return []
    return sorted(f for f in folder.iterdir() if FolderTarget.FRAME.fullmatch(f.name))
