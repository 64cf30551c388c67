from fractions import Fraction
from typing import Any

import av

from fststyle.inference.video.timeline import Clock


def test_times_that_no_container_takes_are_set_right() -> None:
    clock, times = Clock(), []
    given = [(0, 0), (10, 10), (10, 10), (None, 5), (None, None), (90, None)]
    for pts, dts in given:
        packet: Any = av.Packet(b"x")
        packet.pts, packet.dts, packet.duration = pts, dts, 10
        packet.time_base = Fraction(1, 1000)
        assert clock.set(packet, Fraction(1, 1000))
        times.append((packet.pts, packet.dts))
    assert times == [(0, 0), (10, 10), (11, 11), (12, 12), (22, 22), (90, 90)]
    packet = av.Packet(b"x")
    packet.time_base = Fraction(1, 1000)
    assert not Clock().set(packet, Fraction(1, 1000)), "nothing tells when it is due"
