"""When things of a file happen: from 0 on, without the jumps of a broadcast's clock, and at times
that grow."""

from fractions import Fraction
from typing import Any, NamedTuple

from av.format import Flags

MICRO = 1_000_000
"""FFmpeg's units of time in a second."""
JUMP = 10 * MICRO
"""What is no gap, but another clock (ffmpeg's dts_delta_threshold)."""
BACK = MICRO // 10
"""How far a stream of packets may go back; only clocks that were set anew go further."""


class Moment(NamedTuple):
    """When a frame of a video is shown.

    Attributes:
        number: of frames before it.
        seconds: since the first one.
    """

    number: int
    seconds: Fraction


class Timeline:
    """Moves the time stamps of a container's packets, all streams alike, as ffmpeg does: the
    earliest stream begins at 0; where the clock jumps by more than ``JUMP``, or back, what follows
    is joined to what went before. Containers whose clock is not a broadcast's may have gaps.

    Attributes:
        start: seconds taken off.
    """

    def __init__(self, container: Any) -> None:
        self.start = _start(container)
        self._jumps = bool(container.format.flags & Flags.ts_discont.value)
        self._shift = self.start  # seconds to take off
        self._last: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._latest: int | None = None

    def place(self, packet: Any) -> None:
        """Set a packet's ``pts`` and ``dts``; a stream's packets come in the order of decoding."""
        if packet.dts is None and packet.pts is None:
            return
        if packet.dts is not None and packet.stream.type in ("audio", "video"):
            self._follow(packet)
        if self._shift:
            ticks = round(self._shift / packet.time_base)
            if packet.dts is not None:
                packet.dts -= ticks
            if packet.pts is not None:
                packet.pts -= ticks

    def _follow(self, packet: Any) -> None:
        """Notice a jump."""
        index, unit = packet.stream_index, packet.time_base * MICRO
        now = int((packet.dts * unit) - self._shift * MICRO)
        expected = self._next.get(index, self._latest if self._jumps else None)
        if expected is not None:
            ahead = now - expected
            back = BACK if self._jumps else JUMP
            if (self._jumps and abs(ahead) > JUMP) or now + back < self._last.get(index, now):
                self._shift += Fraction(ahead, MICRO)
                now = expected
        self._last[index], self._latest = now, now
        self._next[index] = now + int((packet.duration or 0) * unit)


def _start(container: Any) -> Fraction:
    """Seconds at which the earliest stream begins."""
    start = container.start_time
    if start is None:
        return Fraction(0)
    # FFmpeg rounds it to microseconds; the stream's own is exact.
    exact = (
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.start_time is not None and stream.time_base
    )
    return next((at for at in exact if abs(at * MICRO - start) <= 1), Fraction(int(start), MICRO))


class Clock:
    """Sets right the times of packets that no container takes: missing ones, and ones that do not
    grow, as ffmpeg does."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._next: int | None = None

    def set(self, packet: Any, base: Fraction) -> bool:
        """Let a packet be in units of ``base``; False where nothing tells when it is due."""
        unit = packet.time_base or base
        scale = Fraction(unit) / Fraction(base)

        def rescaled(value: int | None) -> int | None:
            return None if value is None else round(value * scale)

        pts, dts = rescaled(packet.pts), rescaled(packet.dts)
        duration = rescaled(packet.duration) or 0
        dts = next((time for time in (dts, pts, self._next) if time is not None), None)
        if dts is None:
            return False
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
        packet.time_base = base
        packet.pts = dts if pts is None else max(pts, dts)
        packet.dts, packet.duration = dts, duration
        self._last, self._next = dts, dts + max(1, duration)
        return True
