"""What a style network's training begins with."""

from pathlib import Path

from fststyle import config as settings
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.loading import shipped
from fststyle.config import StyleRunConfig
from fststyle.networks.transform import TransformNet
from fststyle.training.distributed import DistributedContext
from fststyle.training.settings import begun_with
from fststyle.training.state import SavedState


def starting_file(
    config: StyleRunConfig, saved: SavedState | None, context: DistributedContext
) -> tuple[Path | None, dict[str, str] | None]:
    """(the file that a run begins with; what its card says of that). None for random weights; a
    run that was ``saved`` begins with no file, as its weights are its state's, and has its card.

    Raises FileNotFoundError or ValueError as ``begun_with``.
    """
    start: Path | None = None
    if config.init == "base":
        start = shipped().get(f"base_{config.width}")
        if start is None and saved is None:
            context.say(f"no base ships for --width {config.width}: beginning with random weights")
    elif config.init not in (None, "none"):
        start = shipped().get(config.init, Path(config.init))
    card = begun_with(start, saved, config.init)
    return (start if saved is None else None), card


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
