"""What scenes are made of: sky, ground, ways, hills, walls, blocks, upright things."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from fststyle.data.scenes.rasterizer import Camera, Rasterizer, Surface
from fststyle.data.scenes.silhouettes import SHAPES, cut_out, silhouette
from fststyle.data.scenes.textures import (
    Patches,
    Texture,
    blend_with_mean,
    chance,
    draw_pattern,
    draw_windows,
    log_uniform,
    noise,
    ridge_texture,
    road_texture,
    shade_as_solid,
)

UP = np.array([0.0, 1, 0])
EAST = np.array([1.0, 0, 0])
NORTH = np.array([0.0, 0, 1])


def sky(camera: Camera, patches: Patches, random: np.random.Generator) -> np.ndarray:
    """White or grey, the top of a photo, or a gradient with or without clouds; H×W×3 float32."""
    height, width = camera.height, camera.width
    kind = random.random()
    if kind < 0.2:
        return plain_image(height, width, random.uniform(0.75, 1.05), random)
    if kind < 0.45:
        blur = ImageFilter.GaussianBlur(random.uniform(0, 12))
        top = patches.even(0.0, 0.35).filter(blur)
        return np.asarray(top.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    level = camera.along(UP, slice(None), slice(None))[..., None]
    zenith = random.uniform((0.1, 0.25, 0.45), (0.55, 0.7, 1.0))
    horizon = random.uniform((0.6, 0.6, 0.6), (1.0, 0.95, 1.0))
    share = np.clip(level / random.uniform(0.2, 0.9), 0, 1)
    image: np.ndarray = (horizon + (zenith - horizon) * share).astype(np.float32)
    if chance(random, 0.6):
        clouds = noise(random, height, width, random.uniform(2, 6), 5)
        cover = np.clip((clouds + random.uniform(-0.6, 0.5)) * 1.5, 0, 1)[..., None]
        shade = 1 - random.uniform(0, 0.4) * np.clip(clouds, 0, 1)[..., None]
        image += cover * (random.uniform(0.8, 1.0) * shade - image)
    return image


def plain_image(height: int, width: int, level: float, random: np.random.Generator) -> np.ndarray:
    color = level + random.normal(0, 0.03, 3)
    return np.broadcast_to(color, (height, width, 3)).astype(np.float32)


class SceneBuilder:
    """A rasterizer, and the ground ``above`` metres below its camera, to set things on."""

    def __init__(
        self, rasterizer: Rasterizer, above: float, patches: Patches, random: np.random.Generator
    ) -> None:
        self.rasterizer, self.above, self.patches, self.random = rasterizer, above, patches, random
        self.sun = np.array([random.uniform(-1.5, 1.5), 0, random.uniform(-1.0, 1.0)])

    def ground(self, road: float) -> None:
        """Level ground without end; often another field farther off, and by ``road`` a way."""
        unit = self.log(0.6, 5) * max(1, self.above / 2)
        turn = self.random.uniform(0, np.pi)
        across = unit * np.array([np.cos(turn), 0, np.sin(turn)])
        up = unit * np.array([-np.sin(turn), 0, np.cos(turn)])
        corner = -self.above * UP
        self.rasterizer.draw(Surface(corner, across, up, self.texture(0.12, True), endless=True))
        if self.chance(0.4):
            start = np.array([-1000, -self.above, self.log(5, 60)])
            sides = 2000 * EAST, 2000 * NORTH
            self.rasterizer.paint(Surface(start, *sides, self.texture(0, True), (400, 400)))
        if self.chance(road):
            self.road()

    def road(self) -> None:
        """A way ahead, with or without lines at its edges and along its middle."""
        half, tile = self.log(0.4, 6), self.log(1, 4)
        start = np.array([self.random.normal(0, 2) - half, -self.above, -3.0])
        way = 600 * np.array([self.random.normal(0, 0.1), 0, 1])
        repeats = (2 * half / tile, 600 / tile)
        texture = self.texture(0.1, True)
        self.rasterizer.paint(Surface(start, 2 * half * EAST, way, texture, repeats))
        if self.chance(0.6):
            lines = road_texture(half, self.random)
            self.rasterizer.paint(
                Surface(start, 2 * half * EAST, way, lines, (1, 600 / self.log(1, 4)))
            )

    def hills(self) -> None:
        """A range across the view, leaning backwards, its foot in the ground."""
        camera = self.rasterizer.camera
        away = self.log(15, 300) * max(1.0, self.above / 3)
        span = away * 4
        high = away * self.log(0.03, 0.35) + self.above
        foot = camera.ahead * away - UP * (self.above + 0.05 * high)
        across = camera.aside * span + camera.ahead * self.random.normal(0, 0.15) * span
        up = (UP + self.random.uniform(0, 2.5) * camera.ahead) * high
        texture = ridge_texture(
            self.patches.even(size=128), self.random, float(self.random.random())
        )
        self.rasterizer.draw(Surface(foot - across / 2, across, up, texture, gain=self.gain()))

    def scatter(self, count: int, far: float = 60.0, tall: float = 30.0) -> None:
        """Things on the ground, here and there in view."""
        nearest = max(1.5, 1.2 * self.nearest_ground())
        places = sorted(self.log(nearest, max(far, nearest * 3)) for _ in range(count))
        name = self._random_shape()
        for away in places[::-1]:
            name = self._random_shape() if self.chance(0.6) else name
            high = min(self.log(*SHAPES[name][3:5]), tall)
            foot = self._point_on_ground(away, self.random.uniform(-0.6, 0.6))
            if away < 1.5 * high * SHAPES[name][1]:
                continue
            if self.chance(0.12):
                extent = high * self.random.uniform((0.3, 0.5, 0.3), (2, 1, 2))
                self.block(foot, extent, self.texture(0.2), tile=high)
            else:
                self._draw_upright([foot], name, high)

    def row(self) -> None:
        """Things of one kind in a line that leads away: trees, posts, people."""
        name = self._random_shape()
        high = self.log(*SHAPES[name][3:5])
        first = np.array([self.log(1.5, 8) * (1 if self.chance(0.5) else -1), -self.above, 0])
        step = np.array([self.random.normal(0, 0.2), 0, 1]) * self.log(1, 10)
        start = self.log(2, 12)
        feet = [first + start * NORTH + step * i for i in range(int(self.random.integers(3, 9)))]
        self._draw_upright(feet[::-1], name, high)

    def subject(self, part: float) -> None:
        """Something about ``part`` of the picture's height tall; what is in focus."""
        camera = self.rasterizer.camera
        away = 1.1 * self.nearest_ground() * self.random.uniform(0.6, 1.5)
        away = float(np.clip(away, 0.3, 25))
        high = part * camera.height * away / camera.focal
        foot = self._point_on_ground(away, self.random.normal(0, 0.2))
        if self.chance(0.15):
            extent = high * self.random.uniform((0.5, 0.3, 0.5), (1.5, 1, 1.5))
            self.block(foot, extent, Texture(self.patches.piece(1, (256, 256))), tile=high)
        else:
            self._draw_upright([foot], self._random_shape(), high)
        self.rasterizer.focus = float(camera.depths(foot[None])[0])

    def overhang(self) -> None:
        """Leaves or the like that hang into the picture from above, near by."""
        camera = self.rasterizer.camera
        away = self.log(0.8, 6)
        wide, high = (away * side / camera.focal for side in (camera.width, camera.height))
        mask = silhouette("heap", self.random).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        texture = cut_out(self.patches.piece(1, mask.size), mask)
        down = self.random.uniform(0.15, 0.5) * high
        right, up, forward = camera.axes
        corner = forward * away + right * wide * self.random.uniform(-0.6, 0.3)
        corner = corner + up * (0.52 * high - down)
        across = right * wide * self.random.uniform(0.4, 1.3)
        self.rasterizer.draw(Surface(corner, across, up * down, texture))

    def backdrop(self, away: float) -> None:
        """A wall, hedge or the like right across the view."""
        camera, turn = self.rasterizer.camera, self.random.normal(0, 0.4)
        across = (camera.aside * np.cos(turn) + camera.ahead * np.sin(turn)) * away * 12
        high = self.above + away * self.log(0.3, 4)
        corner = camera.ahead * away - across / 2 - UP * self.above
        self.wall(corner, across, UP * high, self.texture(0.3), self.log(0.3, 1) * away)

    def block(
        self, foot: np.ndarray, size: np.ndarray, texture: Texture, tile: float, turned: bool = True
    ) -> None:
        """A box on the ground, ``foot`` the middle of its base, ``size`` along x, y and z; turned
        about its height at random."""
        turn = self.random.uniform(0, np.pi / 2) if turned else 0.0
        cos, sin = np.cos(turn), np.sin(turn)
        axes = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) * size[:, None]
        centre = foot + axes[1] / 2
        for axis in range(3):
            # The face that looks towards the camera, if the camera is beyond its plane.
            out = axes[axis] * (-1 if centre @ axes[axis] > 0 else 1) / 2
            if ((centre + out) @ out < 0 and axis != 1) or (axis == 1 and (centre + out)[1] < 0):
                across, up = (axes[a] for a in ((2, 1), (0, 2), (0, 1))[axis])
                self.wall(centre + out - (across + up) / 2, across, up, texture, tile)

    def wall(
        self, corner: np.ndarray, across: np.ndarray, up: np.ndarray, texture: Texture, tile: float
    ) -> None:
        """A parallelogram of squares of ``texture``, ``tile`` metres wide."""
        repeats = float(np.linalg.norm(across)) / tile, float(np.linalg.norm(up)) / tile
        self.rasterizer.draw(Surface(corner, across, up, texture, repeats, gain=self.gain()))

    def texture(self, patterned: float, bottom: bool = False) -> Texture:
        """An even patch, of photos' lower part for the ground; with lines by ``patterned``."""
        patch = self.patches.even(0.55, 1.0) if bottom else self.patches.even()
        if self.chance(0.4):
            patch = blend_with_mean(patch, self.random.uniform(0.3, 0.95))
        return Texture(draw_pattern(patch, self.random) if self.chance(patterned) else patch)

    def facade(self) -> Texture:
        patch = blend_with_mean(self.patches.even(), self.random.uniform(0, 0.9))
        patch = draw_pattern(patch, self.random) if self.chance(0.3) else patch
        return Texture(draw_windows(patch, self.random) if self.chance(0.8) else patch)

    def nearest_ground(self) -> float:
        """How far ahead the ground comes into view at the bottom of the picture, metres."""
        camera = self.rasterizer.camera
        _, up, forward = camera.axes
        ray = forward - up * camera.height / 2 / camera.focal
        return float(self.above / -ray[1] * (ray @ camera.ahead)) if ray[1] < -0.02 else 8.0

    def gain(self) -> float:
        return self.random.uniform(0.6, 1.15)

    def log(self, low: float, high: float) -> float:
        return log_uniform(self.random, low, high)

    def chance(self, probability: float) -> bool:
        return chance(self.random, probability)

    def _draw_upright(self, feet: list[np.ndarray], name: str, high: float) -> None:
        """Cut-outs of shape ``name``, ``high`` metres tall, standing at ``feet``, with shadows."""
        camera = self.rasterizer.camera
        nearest = camera.depths(np.stack(feet)).min()
        pixels = camera.focal * high / max(nearest, 0.1)
        side = int(2 ** np.clip(np.ceil(np.log2(max(pixels, 1))), 5, 8))
        mask = silhouette(name, self.random, side)
        aspect = self.log(*SHAPES[name][1:3])
        piece = shade_as_solid(self.patches.piece(aspect, mask.size), self.random)
        texture, gain = cut_out(piece, mask), self.gain()
        turn = self.random.normal(0, 0.3)
        across = camera.aside * np.cos(turn) + camera.ahead * np.sin(turn)
        across = across * aspect * high
        strength = self.random.uniform(0.2, 0.8)
        sunny = self.chance(0.5)
        reach = max(0.25 * aspect, 0.05) * high * camera.ahead
        for foot in feet:
            corner = foot - across / 2
            if sunny:
                shadow = Surface(corner, across, self.sun * high, texture, gain=0)
                self.rasterizer.paint(shadow, strength)
            below = corner - across * 0.15 - reach
            self.rasterizer.paint(
                Surface(below, across * 1.3, 2 * reach, _shadow_texture()), strength
            )
            self.rasterizer.draw(Surface(corner, across, UP * high, texture, gain=gain))

    def _point_on_ground(self, away: float, aside: float) -> np.ndarray:
        """A point of the ground ``away`` metres ahead, ``aside`` in widths of the view."""
        camera = self.rasterizer.camera
        span = away * camera.width / camera.focal
        return camera.ahead * away + camera.aside * aside * span - UP * self.above

    def _random_shape(self) -> str:
        return str(self.random.choice(list(SHAPES)))


@lru_cache(maxsize=1)
def _shadow_texture() -> Texture:
    place = np.linspace(-1, 1, 64, dtype=np.float32)
    alpha = np.clip(1 - np.hypot(place[:, None], place[None]), 0, 1)
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 3] = (alpha * 255).astype(np.uint8)
    return Texture(Image.fromarray(pixels))
