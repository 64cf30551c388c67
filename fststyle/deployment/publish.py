"""A trained style as it ships: half the size, ready to run, and with what one should know of it."""

import copy
import json
from pathlib import Path
from statistics import mean
from typing import Any

from torch import nn

from fststyle.checkpoints import STYLE, load
from fststyle.config import PublishConfig
from fststyle.config.calls import from_settings
from fststyle.deployment.export import export_network
from fststyle.utils.files import check_file, check_free


@from_settings(PublishConfig)
def publish(config: PublishConfig) -> None:
    """``fststyle publish``: NAME.onnx with half-precision arithmetic, bytes in and out, and a card
    that says whose painting it is. It is the only file that a style needs: ``checkpoints.load``
    reads the network back from it.

    Raises OSError or ValueError with the reason, and writes nothing, where the network or its
    figures cannot be read, float16 cannot hold it, or a file would be overwritten.
    """
    name = config.checkpoint.stem
    output = config.output / f"{name}.onnx"
    if output.resolve() == config.checkpoint.resolve():
        raise ValueError(f"{output} would be overwritten: give another --output")
    check_free([output], config.overwrite)
    model = load(config.checkpoint, STYLE)
    card = {
        **model.card,
        "painting": {"title": config.title, "painter": config.painter, "year": config.year},
    }
    for key in ("licence", "note"):
        if getattr(config, key):
            card[key] = getattr(config, key)
    if config.figures:
        card["figures"] = _figures(config.figures, name)
    export_network(_of_fewer_bits(model.network), card, output, uint8=True, fp16=True)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


def _of_fewer_bits(network: nn.Module) -> nn.Module:
    """A copy whose kernels have eight significant bits, as bfloat16 has, of float16's eleven: files
    compress to 84 % of what they would, in a download, a clone or a page, and pictures differ by a
    level here and there."""
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.bfloat16().float()
    return network


def _figures(file: Path, name: str) -> dict[str, Any]:
    """What ``evaluate --json`` wrote of the network called ``name``."""
    check_file(file)
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        groups = result["paintings"].values()
        means = next(group[name]["mean"] for group in groups if name in group)
        figures = {"photos": result["photos"], "size": result["size"], **means}
        if "videos" in result:
            clips = result["videos"]["clips"].values()
            roots = [clip["networks"][name]["root"] for clip in clips]
            figures["warping error"] = mean(roots)
        return figures
    except StopIteration:
        raise ValueError(f"{file} has no figures of {name}: evaluate it first") from None
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ValueError(f"{file} was not written by evaluate --photos … --json") from error
