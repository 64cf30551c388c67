"""What makes each command of the pages small, and what it is to make."""

from typing import Any

from fststyle.utils.pretrained import shipped_styles

SMALL = {
    "train": "--steps 1 --image-size 64 --width 4 --batch-size 1 --style-size 48 --workers 0"
    " --vgg-weights narrow.safetensors --depth-cache cache --device cpu",
    "distill": "--steps 1 --image-size 64 --width 4 --batch-size 1 --workers 0"
    " --vgg-weights vgg.safetensors --depth-cache cache --device cpu",
    "infer": "--provider cpu",
    "export": "--overwrite",
    "depth convert": "--overwrite",
    "publish": "--output styles",
    "preview": "--minutes 0.001 --image-size 64 --style-size 48 --photos 1 --device cpu",
    "optimize": "--steps 1 --size 40 --style-size 48 --vgg-weights narrow.safetensors --device cpu",
    "evaluate": "--size 64 --style-size 48 --style painting.jpg --vgg-weights narrow.safetensors",
    "compare": "--height 48 --stylize-height 48",
    "loss train": "--widths 4 6 8 10 --image-size 64 --pictures 2 --samples 500"
    " --vgg-weights narrow.safetensors",
    "depth train": "--size 32x48 --steps 1 --batch-size 2 --pairs 100 --distance 10 --workers 0"
    " --vgg-weights vgg.safetensors --device cpu",
    "depth eval": "--size 64x96 --pairs 100 --vgg-weights vgg.safetensors --device cpu",
    "bench train": "--image-size 32 --batch-size 1 --width 4 --repeats 1"
    " --vgg-weights narrow.safetensors",
    "bench infer": "--width 4 --size 64x48 --repeats 1 --provider cpu",
    "bench video": "--width 4 --provider cpu",
    "bench depth": "--image-size 48 --batch-size 1 --repeats 1 --vgg-weights vgg.safetensors",
    "bench optimize": "--size 48x48 --steps 10 --vgg-weights narrow.safetensors",
}
"""What makes a command's work small; options given later count."""
ELSEWHERE = {
    "virtualcam": "inference/video/test_virtual_camera.py::test_a_film_is_seen_by_the_camera",
    "camera:0": "inference/video/test_live.py::test_what_ends_early_says_why",
    "rtsp:": "inference/video/test_live.py::test_a_stream_that_breaks_is_opened_again",
    "transformers:": "networks/test_transformers_depth.py"
    "::test_photos_reach_the_model_at_its_own_size",
    "--resume": "test_train_command.py::test_after_kill_9_it_goes_on_bit_for_bit",
    "page --serve": "page/test_serve.py::test_a_page_is_served_until_ctrl_c",
    "page site --serve": "page/test_serve.py::test_a_page_is_served_until_ctrl_c",
    "bench robustness": "benchmarks/test_robustness.py::test_few_inputs_and_a_kill",
    "torchrun": "test_examples.py::test_a_training_on_two_nodes_matches_one_process",
}
"""Commands for which there is no camera, no stream, no network connection, no run and no time here:
what stands in them, and the test that runs such a one. Here they are only parsed."""


ALIKE = "72x64 RGB"  # the photos' size


def run(name: str, sheet: str = "530x332 RGB") -> dict[str, str]:
    return {
        f"runs/{name}/state.safetensors": "training_state",
        f"runs/{name}/{name}.safetensors": "transform",
        f"runs/{name}/validation.png": sheet,
        f"runs/{name}/tensorboard": "",
    }


RUN = run("my_style")
TRAINED = (
    r"\nruns/my_style/my_style.safetensors: 1 steps; content \S+, content_error \S+, style \S+,"
    r" depth \S+"
)
TRAINED_PLAIN = r"\nruns/my_style/my_style.safetensors: 1 steps; content \S+, style \S+"
DEMO = {
    "demo/style.png": "640x640 RGB",
    "demo/photos/scene_00.png": "384x288 RGB",
    "demo/photos/coffee.png": "600x400 RGB",
    "demo/photos/astronaut.png": "512x512 RGB",
    "demo/photos/motorcycle_left.png": "640x432 RGB",
    "demo/photos/rocket.png": "640x427 RGB",
    "demo/photos/chelsea.png": "451x300 RGB",
}
FLOATS, BYTES = "tensor(float) [batch, 3, height, width]", "tensor(uint8) [batch, height, width, 3]"
RECORD = "style settings precision versions depth_network loss_network photo levels seconds"
EVALUATED = "photos size depth_networks paintings relative_errors"
AGREES = r"x: .* MB; beside torch:\nONNX Runtime: largest difference .*, PSNR \S+ dB"


def exported_as(kind: str) -> dict[str, str]:
    return {"runs/my_style/my_style.onnx": kind}


MADE: list[tuple[str, dict[str, str], str]] = [
    ("great_wave photo.jpg --output wave", {"wave.jpg": ALIKE}, "1 of 1 stylized into wave.jpg"),
    *(
        (
            rf"great_wave photo.jpg.* --output {name}.jpg",
            {f"{name}.jpg": ALIKE},
            f"1 of 1 stylized into {name}.jpg",
        )
        for name in ("near", "far", "some", "focus", "plain", "masked", "both")
    ),
    (
        "--map depths/",
        {f"mine/{number}.jpg": ALIKE for number in range(8)},
        "8 of 8 stylized into mine",
    ),
    ("--mask clip.mp4", {"film.mp4": "3 frames 64x48"}, "film.mp4: 3 frames"),
    ("--json maps.json", {"maps.json": f"{EVALUATED} as_steps passed_over"}, "relative error"),
    ("fststyle demo demo", DEMO, ""),
    ("--output gallery.jpg", {"gallery.jpg": "568x204 RGB"}, "gallery.jpg"),
    ("--output gallery_2.jpg", {"gallery_2.jpg": "568x204 RGB"}, "gallery_2.jpg"),
    ("--output live.jpg", {"live.jpg": "568x204 RGB"}, "live.jpg"),
    (r"train --style painting.jpg --content photos/ --name my_style$", RUN, TRAINED),
    ("train .*--loss-network mine", RUN, TRAINED),
    (r"name my_style --time 10m$", RUN, TRAINED),
    ("train .*--loss-network small --time", run("my_style", "398x134 RGB"), TRAINED_PLAIN),
    (
        "fststyle preview",
        {"preview.png": "240x196 RGB"},
        "preview.png: to train what a picture shows",
    ),
    (
        "train .*--method weighted",
        run("my_style", "530x200 RGB"),
        r"1 steps; content \S+, content_error \S+, style \S+, stability \S+, locality \S+\n",
    ),
    ("train .*--style-blend", run("blend"), "runs/blend/blend.safetensors: 1 steps"),
    (
        "distill",
        run("my_wave", "530x332 RGB"),
        r"\nruns/my_wave/my_wave.safetensors: \d+ steps; picture map 0 \S+",
    ),
    ("--stability-weight", RUN, TRAINED + r", stability \S+"),
    (r"export runs\S+$", exported_as(f"{FLOATS} fp32"), AGREES),
    (r"export runs\S+( --overwrite)? --uint8$", exported_as(f"{BYTES} fp32"), AGREES),
    (r"export runs\S+( --overwrite)? --half", exported_as(f"{FLOATS} fp16_weights"), AGREES),
    (r"export runs\S+( --overwrite)? --fp16", exported_as(f"{FLOATS} fp16"), AGREES),
    ("--quantize int8", exported_as(f"{BYTES} int8"), AGREES),
    ("--static", exported_as("tensor(float) [1, 3, 48, 64] fp32"), AGREES),
    (
        r"page site$",
        {"site": f"page of {', '.join(n for n in shipped_styles() if n.endswith('_live'))}"},
        r"site: \d+ styles, \d+ files, \S+ MB",
    ),
    (
        "page site --styles",
        {"site": "page of starry_night_live, my_style"},
        r"site: 2 styles, \d+ files, \S+ MB",
    ),
    ("export candy.pth", {"candy.onnx": f"{FLOATS} fp32"}, AGREES),
    ("--output mine.jpg", {"mine.jpg": ALIKE}, "1 of 1 stylized into mine.jpg"),
    ("compare runs/a", {"sheet.png": "262x92 RGB"}, "sheet.png"),
    (
        "evaluate .* --second-depth",
        {
            "figures.json": f"{EVALUATED} as_steps passed_over",
            "figures.png": "1192x564 RGB",
        },
        r"2 photos, shorter side 64 px; mean \[95 % confidence interval\]",
    ),
    ("loss train", {"mine.safetensors": "loss_network"}, "style relu1_2, cosine of the gradients"),
    (
        "--max-size 1920",
        {
            f"out/{name}": ALIKE
            for name in ("photo.jpg", *(f"{a}{i}.png" for a in ("folder", "more") for i in (0, 1)))
        },
        "5 of 5 stylized into out",
    ),
    (
        "--shard 3/16",
        {"out/2.jpg": ALIKE},
        "stylized into out",
    ),
    ("--output mild.jpg", {"mild.jpg": ALIKE}, "1 of 1 stylized into mild.jpg"),
    (
        "fststyle publish",
        {"styles/my_style.onnx": f"{BYTES} fp16"},
        "styles/my_style.onnx: 0.1 MB",
    ),
    ("infer the_scream clip", {"film.mp4": "3 frames 64x48"}, "film.mp4: 3 frames"),
    ("--crossfade", {"fade.mp4": "3 frames 64x48"}, "fade.mp4: 3 frames"),
    (
        "the_scream runs.* --output out",
        {f"out/{style}/clip.mp4": "3 frames 64x48" for style in ("the_scream", "my_style")},
        "1 of 1 stylized into out",
    ),
    ("--help$", {}, "usage: fststyle "),
    ("--output moving.gif", {"moving.gif": "3 frames 64x48 P"}, "moving.gif: 3 frames"),
    (
        "--frames --output",
        {f"out/clip/00000{number}.png": "64x48 RGB" for number in (1, 2, 3)},
        "out/clip: 3 frames",
    ),
    ("udnie frames/", {"film.mp4": "2 frames 72x64"}, "film.mp4: 2 frames"),
    (r"evaluate runs/a/a.safetensors runs.* --videos", {}, r"\| a \| painting \| 0\.\d+ \|"),
    ("evaluate runs/a/a.safetensors others/", {}, r"\| others \| painting \| 0\.\d+ \|"),
    ("--output calm.mp4", {"calm.mp4": "3 frames 64x48"}, "calm.mp4: 3 frames"),
    ("--output lively.mp4", {"lively.mp4": "3 frames 64x48"}, "lively.mp4: 3 frames"),
    (r"--output result.png", {"result.png": "40x36 RGB"}, ""),
    ("--output other.png", {"other.png": "40x36 RGB"}, "other.png: 40×36"),
    ("--output large.tiff", {"large.tiff": "40x36 uint16"}, ""),
    (
        "optimize photos/",
        {f"pictures/{number}.jpg": "40x36 RGB" for number in range(8)}
        | {f"pictures/{number}.jpg.json": RECORD for number in range(8)},
        "",
    ),
    ("compare pictures_plain", {"sheet.png": "260x484 RGB"}, "sheet.png"),
    ("judge pictures_plain", {"judge.html": ""}, "judge.html: 8 pairs of 2 methods"),
    ("judge experiments/peers", {"judge.html": ""}, "judge.html: 8 pairs of 2 methods"),
    (
        "judge --result",
        {"judged.json": "votes judges pictures a_share methods pairs folders passed_over"},
        "4 votes of 2 judge",
    ),
    (
        "evaluate runs/my_style",
        {"figures.json": f"{EVALUATED} as_steps passed_over"},
        "8 photos",
    ),
    (
        "depth predict .* --output out",
        {f"out/depth/{name}.png": "72x64 I;16" for name in ("photo", "folder0", "folder1")}
        | {f"out/colour/{name}.jpg": "168x80 RGB" for name in ("photo", "folder0", "folder1")},
        "3 of 3 depth maps in out",
    ),
    (
        "depth predict .* --network fast",
        {
            "fast/depth/photo.png": "72x64 I;16",
            "fast/colour/photo.jpg": "168x80 RGB",
            "fast/depth/clip.mp4": "3 frames 64x48",
        },
        "2 of 2 depth maps in fast",
    ),
    (
        r"depth predict .*hourglass\.(safetensors|onnx)",
        {"depth/depth/photo.png": "72x64 I;16", "depth/colour/photo.jpg": "168x80 RGB"},
        "1 of 1 depth maps in depth",
    ),
    ("export checkpoints", {"hourglass.onnx": f"{FLOATS} fp16_weights"}, AGREES),
    (
        "depth train --name mine",
        {
            "runs/mine/state.safetensors": "training_state",
            "runs/mine/mine.safetensors": "vgg_head",
            "runs/mine/tensorboard": "",
        },
        "runs/mine/mine.safetensors: 1 steps; accuracy rooms 0",
    ),
    (
        "depth train --name tuned",
        {
            "runs/tuned/state.safetensors": "training_state",
            "runs/tuned/tuned.safetensors": "hourglass",
            "runs/tuned/tensorboard": "",
        },
        "runs/tuned/tuned.safetensors: 1 steps",
    ),
    (
        "depth eval",
        {
            "figures.json": "size pairs min_gap distance pictures passed_over results",
            "figures.png": "680x1548 RGB",
        },
        r"\| diw \(1\) \| constant \| 0.000 \| 0.693",
    ),
    ("depth convert", {"hourglass.safetensors": "hourglass"}, "hourglass.safetensors"),
    ("--list$", {}, "starry_night"),
    ("--list great_wave", {}, "Katsushika Hokusai"),
    ("--list runs/my_style", {}, "Vincent van Gogh"),
    ("bench train", {}, "photos/s|plain"),
    ("bench infer", {}, "64x48"),
    ("bench video", {}, r"whole to slowest stage \S+;"),
    ("bench depth", {}, "hourglass"),
    ("bench optimize", {}, "loss"),
]
"""Of each command, found by what stands in it alone: the files that it makes, as ``describe`` sees
them, and what it prints."""

MADE_BY_PIPELINES = {
    "film.mp4": "3 frames 64x48",
    "film.mkv": "3 frames 64x48",
    "film.rgb": "",
    "film.webm": "25 frames 64x48",
}
"""What pipelines are to make, of which each names one."""

MADE_BY_PYTHON: list[tuple[str, dict[str, str], str]] = [
    ("opencv.png", {"opencv.png": ALIKE}, ""),
    ("mild.onnx", {"mild.onnx": f"{BYTES} fp16"}, ""),
    ("wave.png", {"wave.png": ALIKE}, ""),
    ("mild.png", {"mild.png": ALIKE}, ""),
    (
        "fststyle.train(",
        run("waves") | {"runs/waves/waves.onnx": f"{BYTES} fp32", "waves.png": ALIKE},
        AGREES,
    ),
    ("fststyle.optimize(", {"result.png": "40x36 RGB"}, "'style': "),
    ("list_styles().items", {}, r"great_wave: Katsushika Hokusai, .*, width 32, \d+ steps"),
    ("near.png", {"near.png": ALIKE, "both.png": ALIKE}, ""),
]
"""The same of each piece of Python. What makes nothing ends with an assertion."""
_SMALL_CALL = {"style_size": 48, "vgg_weights": "narrow.safetensors", "device": "cpu", "steps": 1}
SMALL_CALLS: dict[str, dict[str, Any]] = {
    "train": _SMALL_CALL
    | {"image_size": "64", "width": 4, "batch_size": 1, "workers": 0, "depth_cache": "cache"},
    "optimize": _SMALL_CALL | {"size": 40},
}
"""What makes a function's work small."""
