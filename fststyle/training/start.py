"""What a style network's training begins with."""

from pathlib import Path

from fststyle import config as settings
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.loading import shipped
from fststyle.config import StyleRunConfig
from fststyle.networks.transform import TransformNet


def starting_file(config: StyleRunConfig) -> Path | None:
    """The file of the network that ``--init`` names; None for random weights."""
    if config.init is None or config.init == "none":
        return None
    if config.init == "base":
        return shipped().get(f"base_{config.width}")
    return shipped().get(config.init, Path(config.init))


def starting_network(config: StyleRunConfig, start: Path | None, *, mapped: bool) -> TransformNet:
    """The network to train, ``mapped`` as ``TransformNet`` has it, out of the file ``start`` where
    there is one.

    Raises ValueError where ``start`` is of another width.
    """
    begun = TransformNet(config.width, mapped=mapped)
    if start is None:
        return begun
    network = load(start, STYLE).network
    settings.check(
        network.width == config.width,
        f"--init {config.init} is {network.width} wide: begin with one of --width {config.width},"
        f" or add --width {network.width}",
    )
    # One that had no map begins to follow it; one that is to have none goes on as it is without.
    begun.load_state_dict(network.state_dict(), strict=False)
    return begun
