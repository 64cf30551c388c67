"""Training samples of depth networks: crops of pictures with depth, and rendered scenes."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as T

from fststyle.data.depth.maps import DepthData, DepthPicture, place
from fststyle.data.loader import Batch
from fststyle.data.scenes.scenes import SceneRenderer

SMALLEST_CROP = 0.7
"""Crops take at least this part of the largest crop of their shape."""

FEW = 10
"""Fewer known depths than this would not survive a crop."""

Size = tuple[int, int]
"""(height, width)"""


class DepthCrops(Dataset[Batch]):
    """Random crops of several sets at once, as batches of sample numbers.

    Sample number n is a picture of one of ``sets``, chosen by ``shares``; which, and how it is cut,
    mirrored and coloured, follows from ``seed`` and n alone. Every batch has one of three shapes of
    about equal area: ``size``, its transpose and the square between, or ``size`` alone. A picture
    that cannot be read is replaced by another of its set.

    Args:
        sets: pictures with depth, or a renderer of scenes.
        shares: how much of the samples comes from each; any positive numbers.
        size: height and width in pixels, multiples of 16.
        batch_size: samples of a step, over all processes; they share one shape.
        one_shape: whether that is ``size`` always.
        augment: whether crops vary in size and shape, are mirrored, and vary in colour.
    """

    def __init__(
        self,
        sets: Sequence[DepthData | SceneRenderer],
        shares: Sequence[float],
        size: Size,
        batch_size: int,
        seed: int,
        *,
        one_shape: bool = False,
        augment: bool = True,
    ) -> None:
        self.sets, self.seed, self.batch_size = sets, seed, batch_size
        self.shares = np.array(shares) / sum(shares)
        self.shapes = (size,) if one_shape else shapes(size)
        self.augment = augment
        self.broken: dict[str, str] = {}

    def __getitem__(self, numbers: Sequence[int]) -> Batch:  # type: ignore[override]
        broken: dict[str, str] = {}
        shape = self.shapes[numbers[0] // self.batch_size % len(self.shapes)]
        pairs = [self._sample(number, shape, broken) for number in numbers]
        images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
        depth = torch.from_numpy(np.stack([depth for _, depth in pairs]))[:, None]
        return Batch(images, broken, depth)

    def _sample(
        self, number: int, shape: Size, broken: dict[str, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng((self.seed, number))
        chosen = self.sets[random.choice(len(self.sets), p=self.shares)]
        if isinstance(chosen, SceneRenderer):
            image, depth = chosen.render(random, *shape)
            # The gap that orders a pair is a part of the range, which the sky would stretch.
            return self._jitter(image, random), np.log(depth)
        order = random.permutation(len(chosen))
        for index in order:
            item = chosen.items[index]
            key = f"{chosen.name}: {item}"
            if key in self.broken:
                continue
            try:
                picture = chosen.read(item)
                image, depth = crop(picture, shape, random, augment=self.augment)
                return self._jitter(image, random), depth
            except (ValueError, OSError) as error:
                self.broken[key] = broken[key] = str(error)
        raise ValueError(f"none of the {len(chosen)} pictures of {chosen.name} can be used")

    def _jitter(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return jitter_color(image, random) if self.augment else image


@lru_cache(maxsize=8)
def shapes(size: Size) -> tuple[Size, Size, Size]:
    """``size``, a square of about its area with sides that are multiples of 16, its transpose."""
    height, width = size
    side = max(16, round((height * width) ** 0.5 / 16) * 16)
    return (height, width), (side, side), (width, height)


def crop(
    picture: DepthPicture, shape: Size, random: np.random.Generator, *, augment: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """A random part of a picture, mirrored at random, stretched by up to 10 %: uint8 H×W×3 and its
    depth, float32 H×W. Where only a few depths are known, as in DIW, the whole picture.

    Without ``augment`` the largest part of that shape, at a random place, as it is.
    """
    height, width = shape
    stretch = np.exp(random.uniform(-0.1, 0.1)) if augment else 1.0
    largest = min(picture.image.width / (width * stretch), picture.image.height / height)
    scale = largest * (random.uniform(SMALLEST_CROP**2, 1) ** 0.5 if augment else 1.0)
    across, down = width * stretch * scale, height * scale
    left = random.uniform(0, picture.image.width - across)
    top = random.uniform(0, picture.image.height - down)
    box: tuple[float, float, float, float] = (left, top, left + across, top + down)
    if np.isfinite(picture.depth).sum() < FEW:
        box = (0, 0, *picture.image.size)
    image, depth = cut(picture, box, shape)
    if augment and random.random() < 0.5:
        image, depth = image[:, ::-1], depth[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(depth)


def cut(
    picture: DepthPicture, box: tuple[float, float, float, float], shape: Size
) -> tuple[np.ndarray, np.ndarray]:
    """``box`` of a picture and its depth at ``shape``: uint8 H×W×3 and float32 H×W."""
    y, x = (
        have / want
        for have, want in zip(picture.depth.shape, picture.image.size[::-1], strict=True)
    )
    left, top, right, bottom = box
    return cut_image(picture, box, shape), place(
        picture.depth, (left * x, top * y, right * x, bottom * y), shape
    )


def cut_image(
    picture: DepthPicture, box: tuple[float, float, float, float], shape: Size
) -> np.ndarray:
    """``box`` of a picture at ``shape``: uint8 H×W×3."""
    height, width = shape
    image = picture.image.resize((width, height), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    return np.array(image)


def jitter_color(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Light, colour, focus and noise changed at random; uint8 H×W×3 to the same.

    Not by torchvision's classes: they draw from torch's global generator, and a sample must follow
    from its seed and number alone. Blur and noise are slower there, too.
    """
    if random.random() < 0.1:
        radius = random.uniform(0.3, 1.0)
        image = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if random.random() < 0.7:
        tensor = T.adjust_brightness(tensor, random.uniform(0.75, 1.25))
        tensor = T.adjust_contrast(tensor, random.uniform(0.75, 1.25))
        tensor = T.adjust_saturation(tensor, random.uniform(0.5, 1.4))
        tensor = T.adjust_gamma(tensor, float(np.exp(random.uniform(-0.25, 0.25))))
    if random.random() < 0.3:
        tensor = T.adjust_hue(tensor, random.uniform(-0.05, 0.05))
    if random.random() < 0.05:
        tensor = T.rgb_to_grayscale(tensor, 3)
    image = np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())
    if random.random() < 0.1:
        noise = random.normal(0, random.uniform(1, 6), image.shape)
        image = (image + noise).clip(0, 255).round().astype(np.uint8)
    return image
