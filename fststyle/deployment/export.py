"""A trained network to one ONNX file, compared with torch before it is kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from torch import nn

from fststyle.checkpoints import DEPTH, STYLE, load
from fststyle.checkpoints.loading import SUFFIXES
from fststyle.config import ExportConfig, parse_size
from fststyle.config.calls import from_settings
from fststyle.config.cards import KEY, public
from fststyle.deployment.graph import OPSET, ExportWrapper, to_onnx
from fststyle.deployment.quantize import to_int8
from fststyle.deployment.verify import (
    Parity,
    check_parity,
    compare,
    compare_in_opencv,
    run_in_half,
    run_in_onnxruntime,
)
from fststyle.images.find import find_images
from fststyle.networks.transform import rounded_for_float16
from fststyle.sessions.precision import halve_weights
from fststyle.utils.files import atomic_write, check_free, check_suffix, names_folder
from fststyle.utils.version import __version__

LOWEST_PSNR = {"fp32": None, "fp16_weights": 45.0, "fp16": 45.0, "int8": 30.0}
"""By precision, in dB; float32 is judged by its largest difference."""


class Exported(NamedTuple):
    """An ONNX file that was written.

    Attributes:
        file: NAME.onnx, which ``fststyle.load_style`` takes.
        parity: by engine, how far its pictures are from torch's, or why it does not run the file.
    """

    file: Path
    parity: dict[str, Parity | str]


@from_settings(ExportConfig)
def export(config: ExportConfig) -> Exported:
    """A trained network as an ONNX file that is known to agree with it: ``fststyle export``.

    >>> import fststyle
    >>> exported = fststyle.export("dots.safetensors", uint8=True)  # doctest: +ELLIPSIS
    dots.onnx: 0.2 MB; beside torch:
    ...
    >>> exported.file
    PosixPath('dots.onnx')
    >>> stylize = fststyle.load_style(exported.file)

    Raises:
        ValueError: a damaged file, one that holds another kind of network, settings that do not go
            together, a graph that does not give torch's pictures (nothing is written then).
        FileNotFoundError: no such file.
        FileExistsError: it is there already, without ``overwrite``.
    """
    output = _output(config)
    check_free([output], config.overwrite)
    model = load(str(config.checkpoint), STYLE, DEPTH, vgg_weights=config.vgg_weights)
    photos: Sequence[Path] = ()
    if config.quantize == "int8":
        assert config.photos is not None
        photos = find_images(config.photos)
        if model.purpose != STYLE:
            raise ValueError("--quantize int8 is for style networks")
    size = parse_size(config.static)[::-1] if config.static else None
    parities = export_network(
        *(model.network, model.card, output),
        uint8=config.uint8,
        fp16=config.fp16,
        half=config.half,
        size=size,
        opset=config.opset,
        photos=photos,
    )
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; beside torch:")
    for engine, parity in parities.items():
        if isinstance(parity, str):
            print(f"{engine} does not run it: {parity}")
        else:
            print(
                f"{engine}: largest difference {parity.largest_difference:.1e}, PSNR"
                f" {parity.psnr:.1f} dB"
            )
    return Exported(output, parities)


def _output(config: ExportConfig) -> Path:
    """The file to write: beside the checkpoint, in a folder, or the one that is named."""
    name = f"{config.checkpoint.stem}.onnx"
    if config.output is None:
        return config.checkpoint.with_name(name)
    if names_folder(config.output, SUFFIXES):
        return Path(config.output, name)
    check_suffix(Path(config.output), ".onnx")
    return Path(config.output)


def export_network(
    network: nn.Module,
    card: Mapping[str, Any],
    output: Path,
    *,
    uint8: bool = False,
    fp16: bool = False,
    half: bool = False,
    size: tuple[int, int] | None = None,
    opset: int = OPSET,
    photos: Sequence[Path] = (),
) -> dict[str, Parity | str]:
    """Write ``network`` to the ONNX file ``output`` with ``card`` in its metadata.

    Args:
        half: weights as float16, arithmetic as without.
        size: (height, width) of the only pictures it is to take; any by default.
        photos: files by which a style network's convolutions are quantized to 8 bits.

    Returns, by engine, how far its pictures are from torch's, or why it cannot run the file.
    Raises ValueError, and leaves no file, where ONNX Runtime's are not torch's.
    """
    stored = rounded_for_float16(network) if fp16 or half else network
    wrapper = ExportWrapper(stored, uint8, fp16)
    if fp16:
        # ONNX Runtime's CPU provider widens to float32, and sees no overflow.
        in_half = compare(wrapper, network, run_in_half(wrapper), size)
        check_parity(in_half, rounded=False, lowest_psnr=LOWEST_PSNR["fp16"])
    model, held_out, precision = to_onnx(wrapper, size, opset), None, "fp16" if fp16 else "fp32"
    if photos:
        model, held_out = to_int8(model, photos, uint8=uint8, size=size)
        precision = "int8"
    if half:
        halve_weights(model)
        precision = "fp16_weights"
    data = model.SerializeToString()
    parity = compare(wrapper, network, run_in_onnxruntime(data), size, held_out)
    check_parity(parity, rounded=uint8 and wrapper.stylizes, lowest_psnr=LOWEST_PSNR[precision])
    parities: dict[str, Parity | str] = {"ONNX Runtime": parity}
    parities["OpenCV"] = compare_in_opencv(wrapper, network, data, size, held_out)
    described = {
        **card,
        "input": "uint8 NHWC" if uint8 else "float32 NCHW in [0,1]",
        "precision": precision,
        # JSON has no infinity.
        "agreement": {k: v if np.isfinite(v) else None for k, v in parity._asdict().items()},
        "exported_with": {"fststyle": __version__, "torch": torch.__version__},
    }
    onnx.helper.set_model_props(model, {KEY: json.dumps(public(described), sort_keys=True)})
    onnx.checker.check_model(model, full_check=True)
    with atomic_write(output) as temporary:
        onnx.save_model(model, temporary)
    return parities
