"""A style network whose weights are a mixture of others', which were trained one from the other.

    python experiments/mix_weights.py mean.safetensors .5 a.onnx .5 b.onnx
    python experiments/mix_weights.py on.safetensors 1 c.onnx .5 b.onnx -.5 a.onnx

The first is the mean of two networks, as ``starry_night``'s; the second moves ``c`` on by half of
the way that training has gone from ``a`` to ``b``, as ``starry_night_live``'s. Parts add up to 1;
the card is that of the first.
"""

import argparse
from pathlib import Path

from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.style import save_transform
from fststyle.networks.transform import TransformNet
from fststyle.utils.files import check_free


def mixed(networks: list[TransformNet], parts: list[float]) -> TransformNet:
    """The first of ``networks`` with all their weights."""
    tensors = [network.state_dict() for network in networks]
    for name, first in tensors[0].items():
        total = sum(part * t[name].float() for part, t in zip(parts, tensors, strict=True))
        first.copy_(total)
    return networks[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("mixture", nargs="+", metavar="PART FILE")
    options = parser.parse_args()
    try:
        parts, files = [float(part) for part in options.mixture[::2]], options.mixture[1::2]
        if len(parts) != len(files) or abs(sum(parts) - 1) > 1e-6:
            raise ValueError("parts and files come in turn, and parts add up to 1")
        check_free([options.output], overwrite=False)
        models = [load(file, STYLE) for file in files]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    shapes = [{k: v.shape for k, v in model.network.state_dict().items()} for model in models]
    if any(shape != shapes[0] for shape in shapes):
        parser.error("networks have one width, and all of them a map or none")
    network = mixed([model.network for model in models], parts)
    save_transform(options.output, network, models[0].card)


if __name__ == "__main__":
    main()
