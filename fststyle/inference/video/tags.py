"""What a file says of itself: titles, dates and places, chapters, languages, marks, covers."""

import itertools
import re
from fractions import Fraction
from typing import Any

import av

from fststyle.inference.video.formats import Container
from fststyle.inference.video.media import is_piped

_OF_THE_FILE = re.compile(
    r"encoder|major_brand|minor_version|compatible_brands|alpha_mode|rotate|duration.*|bps.*"
    r"|number_of_.*|_statistics.*",
    re.IGNORECASE,
)
"""Tags that tell how a file was written, and are not true of another."""


def lasting_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that are true of the stylized film, too."""
    return {key: value for key, value in tags.items() if not _OF_THE_FILE.fullmatch(key)}


def muxer_options(source: Any, form: Container) -> dict[str, str]:
    """Of the container, for what ``source`` has to say."""
    options = dict(form.options)
    tags = source.container.metadata if source.container else {}
    if form.muxer in ("mp4", "mov") and any(key.startswith("com.") for key in tags):
        # Phones' tags, of the place and the camera, which have no names of MP4's own.
        options["movflags"] = "use_metadata_tags"
    if form.muxer == "apng":
        options["plays"] = str(source.loop or 0)
    if form.muxer == "webp":
        options["loop"] = str(source.loop or 0)
    return options


def timecode(source: Any) -> str | None:
    """The time code of the first frame, HH:MM:SS:FF, where the source has one."""
    if source.container is None:
        return None
    found = [source.container.metadata, *(s.metadata for s in source.container.streams)]
    tags = ({key.lower(): value for key, value in each.items()} for each in found)
    return next((each["timecode"] for each in tags if each.get("timecode")), None)


def describe(container: Any, video: Any, source: Any, with_timecode: bool) -> None:
    """Give the container that is written the source's tags, and its video stream the source's."""
    source_container = source.container
    if source_container is None:
        return
    container.metadata.update(lasting_tags(source_container.metadata))
    film = source.stream
    if film is not None:
        video.metadata.update(lasting_tags(film.metadata))
        video.disposition = int(film.disposition)
    for tags in (container.metadata, video.metadata):
        for key in [key for key in tags if key.lower() == "timecode"]:
            del tags[key]
    code = timecode(source)
    if code and with_timecode:
        video.metadata["timecode"] = code


def describe_track(track: Any, stream: Any) -> None:
    """Give a track what its source's says: language, title, marks."""
    track.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() != "encoder"})
    track.disposition = int(stream.disposition)


def chapters(source: Any, end: Fraction | None = None) -> list[Any]:
    """The source's chapters, from the film's start on, up to ``end`` in seconds."""
    made = []
    for chapter in source.container.chapters() if source.container else ():
        base = Fraction(chapter["time_base"])
        shift = round(Fraction(source.start) / base)
        start, until = max(0, chapter["start"] - shift), chapter["end"] - shift
        if end is not None:
            until = min(until, round(end / base))
        if until > start:
            made.append({**chapter, "start": start, "end": until})
    return made


def covers(source: Any) -> list[tuple[Any, bytes]]:
    """(stream, picture) of each cover, which files have as a video stream of one packet."""
    if source.container is None or is_piped(source.source):
        return []  # it cannot be opened again
    made = []
    for stream in source.container.streams.video:
        if stream.disposition & av.stream.Disposition.attached_pic:
            # Its packet may be read through already.
            with av.open(source.container.name) as again:
                packets = again.demux(again.streams[stream.index])
                pictures = (bytes(packet) for packet in packets if packet.size)
                made += [(stream, picture) for picture in itertools.islice(pictures, 1)]
    return made
