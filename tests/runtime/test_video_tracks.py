from typing import Any, ClassVar

from fststyle.runtime.video_formats import Container
from fststyle.runtime.video_tracks import label, ways


class UnknownSound:
    """As PyAV has sound of a codec that FFmpeg does not know: without a context, and a name."""

    codec_context, type = None, "audio"
    metadata: ClassVar[dict[str, Any]] = {}


def test_sound_of_an_unknown_codec_can_only_be_copied() -> None:
    assert label(UnknownSound()) == "sound (of unknown kind)"
    assert [way.encoder for way in ways(UnknownSound(), Container("matroska"))] == [""]
