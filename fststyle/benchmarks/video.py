"""Video, stage by stage and as a whole: what each could do alone, and what all reach together.

Decoding includes the noise, which frames get there.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fststyle.benchmarks.timing import Memory, percentiles, print_table, write_json
from fststyle.checkpoints import STYLE, load
from fststyle.config import BenchVideoConfig, InferConfig
from fststyle.config.calls import from_settings
from fststyle.config.infer import STEADY, StyleControls
from fststyle.deployment.export import export_network
from fststyle.images.noise import GRAIN
from fststyle.inference.maps import WeightMaps
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.pipeline import stylize_video, with_noise
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import Source, open_source
from fststyle.inference.video.writer import VideoTarget
from fststyle.networks.transform import TransformNet
from fststyle.utils.files import check_file, check_free_options
from fststyle.utils.pretrained import style_file

SAMPLED = 48
"""Decoded frames with which stylizing and encoding are timed."""


@from_settings(BenchVideoConfig)
def bench_video(config: BenchVideoConfig) -> None:
    """``fststyle bench video``: prints a table, and writes JSON where asked to."""
    check_free_options(config, "json")
    given = style_file(config.model) if config.model else None
    if given is None:
        network, card = TransformNet(config.width).eval(), dict[str, Any]()
    elif given.suffix == ".onnx":
        check_file(given)
        network = None
    else:
        loaded = load(given, STYLE)
        network, card = loaded.network, loaded.card
    with tempfile.TemporaryDirectory() as folder:
        model = given
        if network is not None:
            model = Path(folder, "network.onnx")
            export_network(network, card, model, uint8=True, fp16=config.fp16)
        assert model is not None
        stylizer = Stylizer(model, config.provider)
        source = open_source(str(config.clip), config.max_size)
        sample: list[Frame] = []
        count = 0
        for item in source:
            if isinstance(item, Frame):
                count += 1
                if len(sample) < SAMPLED:
                    sample.append(item)
        stylizer.run(sample[0].pixels[None])  # warms up
        delays = [_seconds(lambda f=frame: stylizer.run(f.pixels[None])) for frame in sample]  # type: ignore[misc]

        def reopened() -> Source:
            return open_source(str(config.clip), config.max_size)

        rates = {
            "decode": count / _seconds(lambda: _drain(with_noise(reopened(), GRAIN))),
            "stylize": len(sample) / sum(delays),
            "encode": len(sample) / _seconds(lambda: _encode(sample, source, Path(folder, "a"))),
        }
        memory = Memory()
        target = Path(folder, "out.mp4")

        def whole(maps: WeightMaps | None, steady: float = 0.0) -> None:
            stylize_video(
                reopened(),
                [target],
                lambda frames, _, weight_maps, *__: [stylizer.run(frames, weight_maps)],
                codec=None,
                quality=InferConfig.quality,
                stopped=lambda: False,
                grain=GRAIN,
                batch_size=config.batch_size,
                maps=maps,
                steady=steady,
            )

        with memory:
            rates["whole"] = count / _seconds(lambda: whole(None))
        rates[f"whole, --steady {STEADY}"] = count / _seconds(lambda: whole(None, STEADY))
        if stylizer.mapped:
            depth = stylizer.weight_maps(StyleControls(), film=True)
            rates["whole, with depth"] = count / _seconds(lambda: whole(depth))
    rows = [{"stage": name, "frames/s": rate} for name, rate in rates.items()]
    print(f"{config.clip.name}: {count} frames of {source.width}×{source.height}")
    print(f"provider {stylizer.provider}")
    print_table(rows)
    slowest = min(rates["stylize"], rates["encode"], rates["decode"])
    delay = percentiles(delays)
    quarter = max(1, len(memory.megabytes) // 4)
    early, late = (
        statistics.mean(part) for part in (memory.megabytes[:quarter], memory.megabytes[-quarter:])
    )
    result = {
        "frames_per_second": rates,
        "whole_to_slowest_stage": rates["whole"] / slowest,
        "stylizing_seconds": delay,
        "megabytes": {"first quarter": early, "last quarter": late},
    }
    print(
        f"whole to slowest stage {rates['whole'] / slowest:.2f}; a frame is stylized in"
        f" {1000 * delay['50 %']:.0f} ms (median), {1000 * delay['95 %']:.0f} ms (95 %); memory"
        f" {early:.0f} MB in the first quarter, {late:.0f} MB in the last"
    )
    write_json(
        config.json,
        {
            **result,
            "provider": stylizer.provider,
            "frames": count,
            "size": [source.width, source.height],
        },
    )


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _drain(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _encode(frames: Iterable[Frame], source: Source, path: Path) -> None:
    target = VideoTarget(path, Path("out.mp4"), source, None, InferConfig.quality)
    for frame in frames:
        target.put(frame)
    target.close()
