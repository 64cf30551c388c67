"""Somebody's hourglass network as a file of ours, and a file of ours at half the size."""

from pathlib import Path

from fststyle.checkpoints.depth import save_depth
from fststyle.checkpoints.loading import DEPTH, read_network
from fststyle.config import DepthConvertConfig
from fststyle.config.calls import from_settings
from fststyle.utils.files import check_free, check_suffix


@from_settings(DepthConvertConfig)
def run(config: DepthConvertConfig) -> None:
    """``fststyle depth convert``; by default the file takes the source's name and our suffix."""
    output = config.output or config.source.with_suffix(".safetensors")
    check_suffix(output, ".safetensors")
    if output.resolve() != config.source.resolve():  # of which convert has more to say
        check_free([output], config.overwrite)
    convert(config.source, output, half=config.half, note=config.note)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, from {config.source}")


def convert(source: Path, output: Path, *, half: bool = False, note: str | None = None) -> None:
    """Write the depth network of ``source``, a ``.t7``, ``.pth``, ``.pt`` or a file of ours, to
    ``output``; ``half`` as in ``save_depth``, ``note`` goes into the card.

    Raises FileNotFoundError, or ValueError that names the first tensor that does not fit.
    """
    if output.resolve() == source.resolve():
        raise ValueError(f"{output} would be overwritten: give another --output")
    if source.suffix.lower() not in (".t7", ".pth", ".pt", ".safetensors"):
        raise ValueError(f"{source}: expected a .t7, .pth, .pt or .safetensors file")
    _, network, card = read_network(source, DEPTH)
    save_depth(output, network, {**card, "note": note} if note else card, half=half)
