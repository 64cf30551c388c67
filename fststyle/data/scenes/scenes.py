"""Scenes put together from photos, with their exact depth: landscapes, streets, rooms, close-ups.

Flat surfaces (ground, walls, hills, cut-outs that stand upright) are drawn in perspective. Larger
depth is farther; it is the distance along the optical axis in metres.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fststyle.data.scenes.builder import SceneBuilder, plain_image, sky
from fststyle.data.scenes.camera_effects import photograph
from fststyle.data.scenes.rasterizer import Camera, Rasterizer
from fststyle.data.scenes.textures import Patches, chance, log_uniform

Size = tuple[int, int]
"""(height, width)"""


class SceneRenderer:
    """Scenes made of ``photos``. What is drawn follows from ``random`` and the files alone."""

    def __init__(self, photos: Sequence[Path]) -> None:
        self.photos = list(photos)

    def render(
        self, random: np.random.Generator, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image (height×width×3 uint8) and its depth (height×width float32, metres).

        Depth is known everywhere; the sky's is ``rasterizer.SKY``, all else is nearer.

        Raises ValueError where no photo can be decoded.
        """
        patches = Patches(self.photos, int(random.integers(3, 5)), random)
        shares = [share for share, *_ in KINDS.values()]
        kind = str(random.choice(list(KINDS), p=shares))
        _, draw, blurred, hazy = KINDS[kind]
        rasterizer = draw(patches, random, (height, width))
        if _is_flat(rasterizer.depth):  # once more: a wall right before the camera tells little
            rasterizer = draw(patches, random, (height, width))
        return photograph(rasterizer, random, blurred, hazy)


def landscape(patches: Patches, random: np.random.Generator, size: Size) -> Rasterizer:
    """Open ground, ways and fields on it, hills behind, things standing about."""
    above = log_uniform(random, 4, 30) if chance(random, 0.15) else log_uniform(random, 0.3, 3)
    builder = _outdoors(patches, random, size, above, _pitch(random))
    builder.ground(road=0.3)
    for _ in range(int(random.integers(0, 4))):
        builder.hills()
    if builder.chance(0.25):
        builder.row()
    builder.scatter(int(random.integers(0, 13)))
    if builder.chance(0.45):
        builder.subject(random.uniform(0.25, 0.8))
    if builder.chance(0.2):
        builder.overhang()
    return builder.rasterizer


def street(patches: Patches, random: np.random.Generator, size: Size) -> Rasterizer:
    """Rows of houses on one side or both, a road between them."""
    above = log_uniform(random, 3, 12) if chance(random, 0.15) else random.uniform(1, 2.5)
    pitch = random.uniform(-0.6, -0.1) if chance(random, 0.15) else random.normal(0.03, 0.1)
    builder = _outdoors(patches, random, size, above, pitch)
    builder.ground(road=0.85)
    if builder.chance(0.4):
        builder.hills()
    for side in (-1, 1) if builder.chance(0.85) else (1,):
        _houses(builder, side * builder.log(2.5, 14))
    if builder.chance(0.35):
        builder.row()
    builder.scatter(int(random.integers(0, 10)))
    if builder.chance(0.4):
        builder.subject(random.uniform(0.25, 0.8))
    return builder.rasterizer


def _houses(builder: SceneBuilder, front: float) -> None:
    """A row of them along z; ``front`` is where their fronts are on x."""
    random = builder.random
    z = random.uniform(-8, 8)
    facades = [builder.facade() for _ in range(2)]
    for _ in range(int(random.integers(1, 6))):
        size = np.array([builder.log(5, 15), builder.log(2.5, 25), builder.log(4, 25)])
        setback = builder.log(0.05, 3) if builder.chance(0.3) else 0.0
        x = front + np.sign(front) * (setback + size[0] / 2)
        foot = np.array([x, -builder.above, z + size[2] / 2])
        facade = facades[int(random.integers(2))]
        builder.block(foot, size, facade, builder.log(2.5, 8), turned=False)
        z += size[2] + (builder.log(0.5, 6) if builder.chance(0.3) else 0.0)


def close_up(patches: Patches, random: np.random.Generator, size: Size) -> Rasterizer:
    """One large thing or a few before the ground, or before a wall."""
    above = log_uniform(random, 0.15, 1.5)
    builder = _outdoors(patches, random, size, above, _pitch(random))
    builder.ground(road=0.15)
    if builder.chance(0.35):
        builder.backdrop(builder.log(1.5, 15))
    else:
        for _ in range(int(random.integers(0, 3))):
            builder.hills()
        builder.scatter(int(random.integers(0, 6)))
    for _ in range(int(random.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))):
        builder.subject(random.uniform(0.5, 1.4))
    return builder.rasterizer


def room(patches: Patches, random: np.random.Generator, size: Size) -> Rasterizer:
    """A box seen from the inside, with furniture."""
    extent = random.uniform((2.5, 2.2, 3), (9, 3.6, 12))
    above = random.uniform(0.8, 1.9)
    low = -extent * random.uniform((0.2, 0, 0.03), (0.8, 0, 0.3))
    low[1] = -above
    camera = _camera(random, size, random.normal(0.12, 0.15), random.normal(0, 0.5))
    builder = SceneBuilder(
        Rasterizer(camera, plain_image(*size, 0.5, random)), above, patches, random
    )
    walls = builder.texture(0.3)
    for axis in range(3):
        for side in (0, 1):
            texture = walls if axis != 1 else builder.texture(0.5, bottom=side == 0)
            corner = low + extent * np.eye(3)[axis] * side
            across, up = (np.eye(3)[a] * extent[a] for a in ((2, 1), (0, 2), (0, 1))[axis])
            builder.wall(corner, across, up, texture, builder.log(1, 4))
    furniture = [builder.texture(0.2) for _ in range(2)]
    for _ in range(int(random.integers(1, 7))):
        measures = random.uniform((0.3, 0.3, 0.3), (2, 1.8, 2))
        foot = low + extent * random.uniform(0.1, 0.9, 3)
        foot[1] = -above
        if np.hypot(foot[0], foot[2]) > 0.5 + np.hypot(measures[0], measures[2]) / 2:
            texture = furniture[int(random.integers(2))]
            builder.block(foot, measures, texture, 2, turned=builder.chance(0.4))
    builder.scatter(int(random.integers(0, 5)), far=extent[2], tall=1.9)
    if builder.chance(0.4):
        builder.subject(random.uniform(0.3, 1.0))
    return builder.rasterizer


Draw = Callable[[Patches, np.random.Generator, Size], Rasterizer]

KINDS: dict[str, tuple[float, Draw, float, float]] = {
    "landscape": (0.34, landscape, 0.15, 0.4),
    "street": (0.2, street, 0.15, 0.3),
    "close-up": (0.28, close_up, 0.75, 0.15),
    "room": (0.18, room, 0.15, 0.0),
}
"""Kinds of scene: share, what draws them, probability of a shallow depth of field and of haze."""


def _is_flat(depth: np.ndarray) -> bool:
    """Whether nine tenths of the pixels lie within a factor of 1.6 of each other."""
    near, far = np.quantile(depth[::4, ::4], (0.05, 0.95))
    return bool(far < 1.6 * near)


def _outdoors(
    patches: Patches, random: np.random.Generator, size: Size, above: float, pitch: float
) -> SceneBuilder:
    camera = _camera(random, size, pitch, random.normal(0, 0.35))
    return SceneBuilder(Rasterizer(camera, sky(camera, patches, random)), above, patches, random)


def _camera(random: np.random.Generator, size: Size, pitch: float, yaw: float) -> Camera:
    focal = max(size) / 2 / np.tan(random.uniform(0.6, 1.35) / 2)
    return Camera(*size, focal, pitch, yaw, random.normal(0, 0.035))


def _pitch(random: np.random.Generator) -> float:
    """Mostly about level; at times down at the ground, or up."""
    kind = random.random()
    if kind < 0.15:
        return random.uniform(0.3, 1.0)
    return random.uniform(-0.5, -0.1) if kind < 0.22 else random.normal(0.08, 0.14)
