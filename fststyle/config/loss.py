"""Loss networks, and something to train on."""

from pathlib import Path

from fststyle.config.settings import FilePath, Paths, Settings, Several, at_least, check, setting
from fststyle.config.shared import VGGSettings


class LossTrainConfig(VGGSettings):
    """``loss train``: a small loss network out of VGG-19."""

    data: Paths = setting(
        "folders of pictures, each seen equally often: photos, paintings, stylized photos"
    )
    val: FilePath = setting("folder of photos on which the two are compared")
    output: FilePath = setting(
        "the file to write, NAME.safetensors", default=Path("small.safetensors")
    )
    overwrite: bool = setting("replace the file where it exists", default=False)
    widths: Several[int] = setting("channels of the four blocks", default=(32, 64, 128, 192))
    pictures: int = setting("pictures that are looked at", default=320)
    samples: int = setting("places in them at which each layer is looked at", default=100_000)
    image_size: int = setting("side of the crops in pixels", default=128)
    seed: int = setting("seed of the crops", default=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(len(self.widths) == 4, f"--widths takes four numbers, not {len(self.widths)}")
        at_least(1, self, "widths", "pictures", "samples")
        at_least(64, self, "image_size")


class DemoConfig(Settings):
    """``demo``: something to train on, with nothing to download."""

    folder: FilePath = setting("where style.png and photos/ are written", kw_only=False)
