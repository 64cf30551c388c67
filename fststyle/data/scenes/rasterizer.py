"""A pinhole camera and flat surfaces before it, drawn with their exact depth."""

from dataclasses import dataclass

import numpy as np

from fststyle.data.scenes.textures import Texture

SKY = 1000.0
"""Depth of the sky, in metres."""

FARTHEST = 500.0
"""Depth at which everything but the sky is held."""

NEAREST = 0.05


class Camera:
    """A camera at the origin: x to the right, y upwards, z ahead, in metres.

    Args:
        height, width: pixels of the picture.
        focal: focal length in pixels.
        pitch: radians below the horizon.
        yaw: radians to the right of z.
        roll: radians, clockwise as seen from behind.
    """

    def __init__(
        self, height: int, width: int, focal: float, pitch: float, yaw: float, roll: float
    ) -> None:
        self.height, self.width, self.focal = height, width, focal
        self.ahead = np.array([np.sin(yaw), 0, np.cos(yaw)])
        self.aside = np.array([np.cos(yaw), 0, -np.sin(yaw)])
        vertical = np.array([0.0, 1, 0])
        forward = np.cos(pitch) * self.ahead - np.sin(pitch) * vertical
        upward = np.sin(pitch) * self.ahead + np.cos(pitch) * vertical
        right = np.cos(roll) * self.aside - np.sin(roll) * upward
        up = np.sin(roll) * self.aside + np.cos(roll) * upward
        self.axes = np.stack([right, up, forward])
        self.columns = (np.arange(width) + 0.5 - width / 2) / focal
        self.rows = (np.arange(height) + 0.5 - height / 2) / focal

    def along(self, vector: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Dot product of ``vector`` (3) with each pixel's ray, float32 rows×columns.

        A ray goes through the pixel's centre and is 1 long along the optical axis: a point's depth
        is its multiple of the ray.
        """
        right, up, forward = self.axes @ vector
        x = (self.columns[columns] * right).astype(np.float32)
        y = (forward - self.rows[rows] * up).astype(np.float32)
        return y[:, None] + x[None]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column, row (in pixels) and depth of ``points``, N×3; all depths are positive."""
        right, up, depth = self.axes @ points.T
        column = self.width / 2 + self.focal * right / depth
        return np.stack([column, self.height / 2 - self.focal * up / depth, depth], 1)

    def depths(self, points: np.ndarray) -> np.ndarray:
        return points @ self.axes[2]


def ground_depth(camera: Camera, above: float) -> np.ndarray:
    """Depth of a level plane ``above`` metres below the camera, height×width; inf over the horizon.

    Without roll, a pixel whose ray falls at the angle β below the horizon, in a camera pitched by
    θ, sees the ground at the distance above / tan β ahead, which is the depth
    above · cos(β − θ) / sin β along the optical axis.
    """
    down = camera.along(np.array([0.0, -1, 0]), slice(None), slice(None))
    return np.where(down > 0, above / np.where(down > 0, down, 1), np.inf).astype(np.float32)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """numpy's takes ten times as long for two vectors."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


@dataclass(frozen=True)
class Surface:
    """A parallelogram in space: ``corner`` (3), and its sides ``across`` and ``up`` (3, metres).

    ``repeats``: how often the texture goes onto it, across and up, mirrored in turn; ``endless``
    surfaces go on beyond their sides. ``gain`` is the light on it.
    """

    corner: np.ndarray
    across: np.ndarray
    up: np.ndarray
    texture: Texture
    repeats: tuple[float, float] = (1.0, 1.0)
    endless: bool = False
    gain: float = 1.0


class Rasterizer:
    """``image`` H×W×3 float32 in about [0,1], ``depth`` H×W, and which ``surface`` each pixel shows
    (by number; 0 is the sky). ``focus`` is the depth of the scene's subject, where it has one."""

    def __init__(self, camera: Camera, sky: np.ndarray) -> None:
        self.camera, self.image = camera, sky
        self.depth = np.full(sky.shape[:2], SKY, np.float32)
        self.surface = np.zeros(sky.shape[:2], np.int16)
        self.count = 0
        self.focus: float | None = None

    def draw(self, surface: Surface) -> int:
        """Draw what of ``surface`` is before all else; returns how many pixels that is."""
        visible = self._visible_pixels(surface, 1.0)
        if visible is None:
            return 0
        index, depth, colors = visible
        solid = np.flatnonzero(colors[:, 3] >= 0.5)
        index = index[solid]
        self.count += 1
        self.image.reshape(-1, 3)[index] = colors[solid, :3] * np.float32(surface.gain)
        self.depth.reshape(-1)[index] = np.minimum(depth[solid], FARTHEST)
        self.surface.reshape(-1)[index] = self.count
        return len(index)

    def paint(self, surface: Surface, strength: float = 1.0) -> None:
        """Lay ``surface`` by its alpha over one already drawn in the same plane."""
        visible = self._visible_pixels(surface, 1.001)
        if visible is not None:
            index, _, colors = visible
            pixels = self.image.reshape(-1, 3)
            alpha = colors[:, 3:] * np.float32(strength)
            pixels[index] += alpha * (colors[:, :3] * np.float32(surface.gain) - pixels[index])

    def _visible_pixels(
        self, surface: Surface, slack: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Flat numbers of the pixels that see it, its depth there and its RGBA (N×4)."""
        rows, columns = self._window(surface)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        across, up = surface.across, surface.up
        normal = _cross(across, up)
        facing = self.camera.along(normal, rows, columns)
        with np.errstate(divide="ignore"):
            depth = np.float32(surface.corner @ normal) / facing
        visible = (depth > NEAREST) & (depth < slack * self.depth[rows, columns])
        # On sides that are not at right angles, coordinates are products with the dual basis.
        texture_coordinates = []
        for side, other in ((across, up), (up, across)):
            dual = side - other * (side @ other) / (other @ other)
            dual = dual / (dual @ side)
            with np.errstate(invalid="ignore", over="ignore"):
                value = depth * self.camera.along(dual, rows, columns) - float(
                    surface.corner @ dual
                )
            if not surface.endless:
                visible &= (value >= 0) & (value <= 1)
            texture_coordinates.append(value)
        index = np.flatnonzero(visible)
        if not len(index):
            return None
        depth, facing = depth.ravel()[index], facing.ravel()[index]
        slope = np.abs(facing) / np.float32(np.linalg.norm(normal))
        repeats = surface.repeats
        unit = min(np.linalg.norm(across) / repeats[0], np.linalg.norm(up) / repeats[1])
        area = depth / np.float32(self.camera.focal * unit) * np.maximum(slope, 0.01) ** -0.6
        u, v = (
            p.ravel()[index] * np.float32(n)
            for p, n in zip(texture_coordinates, repeats, strict=True)
        )
        row, column = np.divmod(index, visible.shape[1])
        index = (row + rows.start) * self.camera.width + column + columns.start
        return index, depth, surface.texture.sample(u, v, area)

    def _window(self, surface: Surface) -> tuple[slice, slice]:
        """The part of the picture that can see it."""
        corner, across, up = surface.corner, surface.across, surface.up
        points = np.stack([corner, corner + across, corner + up, corner + across + up])
        if surface.endless or self.camera.depths(points).min() < NEAREST:
            return slice(0, self.camera.height), slice(0, self.camera.width)
        places = self.camera.project(points)[:, :2]
        size = (self.camera.width, self.camera.height)
        low = np.clip(np.floor(places.min(0)), 0, size).astype(int)
        high = np.clip(np.ceil(places.max(0)), 0, size).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
