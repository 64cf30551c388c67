"""What the limit of an exported network on a GPU is made of, and which settings of ONNX Runtime's
provider raise it: the times of the graph alone, its input and output lying on the device, and of
the two copies, for every setting, in turn. What is best belongs in ``sessions/session.py``.

    python experiments/cuda_settings.py NAME.onnx [--sizes 1920x1080] [--json FILE]
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

from fststyle.benchmarks.timing import print_table, write_json
from fststyle.sessions.session import start

NHWC = {"prefer_nhwc": "1"}
EXHAUSTIVE = {"cudnn_conv_algo_search": "EXHAUSTIVE"}
GRAPH = {"enable_cuda_graph": "1"}
SETTINGS = {
    "as infer has it": {},
    "NHWC": NHWC,
    "exhaustive search": EXHAUSTIVE,
    "NHWC, exhaustive search": {**NHWC, **EXHAUSTIVE},
    "NHWC, fused bias": {**NHWC, "fuse_conv_bias": "1"},
    "CUDA graph": GRAPH,
    "NHWC, exhaustive search, CUDA graph": {**NHWC, **EXHAUSTIVE, **GRAPH},
}


class Bound:
    """A session whose input and output stay on the device."""

    def __init__(self, model: Path, provider: str, settings: dict[str, str], shape: list[int]):
        self.session = start(str(model), provider, settings=settings)
        device = "cpu" if provider == "cpu" else "cuda"  # TensorRT's memory is CUDA's, too
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self.source, self.target = (make(shape, np.uint8, device) for _ in range(2))
        self.frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self.binding = self.session.io_binding()
        self.binding.bind_ortvalue_input("content", self.source)
        self.binding.bind_ortvalue_output("output", self.target)
        self.seconds: dict[str, list[float]] = {"to device": [], "graph": [], "back": []}
        for _ in range(3):  # allocates, searches, captures
            self.round()
        for times in self.seconds.values():
            times.clear()

    def round(self) -> None:
        """One frame there, through, and back."""
        actions = {
            "to device": lambda: self.source.update_inplace(self.frame),
            "graph": lambda: self.session.run_with_iobinding(self.binding),
            "back": self.target.numpy,
        }
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if name == "graph":
                self.binding.synchronize_outputs()
            self.seconds[name].append(time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="exported with --uint8")
    parser.add_argument("--sizes", nargs="+", default=["1280x720", "1920x1080", "3840x2160"])
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tried = SETTINGS if options.provider == "cuda" else {"the provider's own": {}}
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
    rows = []
    for size in options.sizes:
        width, height = map(int, size.split("x"))
        ready: dict[str, Bound] = {}
        shape = [1, height, width, 3]
        for name, settings in tried.items():
            try:
                ready[name] = Bound(options.model, options.provider, settings, shape)
            except Exception as error:  # ONNX Runtime's own types share no base but Exception
                print(f"{size}, {name}: {str(error).splitlines()[0]}")
        for _ in range(options.repeats):
            for bound in ready.values():
                bound.round()
        for name, bound in ready.items():
            ms = {key: 1000 * statistics.median(times) for key, times in bound.seconds.items()}
            rows.append(
                {
                    "size": size,
                    "settings": name,
                    **{f"{key} ms": value for key, value in ms.items()},
                    "frames/s, graph alone": 1000 / ms["graph"],
                    "frames/s": 1000 / sum(ms.values()),
                }
            )
    if not rows:
        raise SystemExit(1)
    print_table(rows)
    write_json(options.json, {"settings": rows})


if __name__ == "__main__":
    main()
