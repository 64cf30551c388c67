"""What air, lens and sensor do to a drawn scene before it is a photo.

By hand, since torchvision's classes draw from torch's global generator, and a scene must follow
from its seed alone; its functions are slower (noise 5.5 ms instead of 2.5, a wide blur 21 instead
of 1.8, at 224×288).
"""

import io

import numpy as np
from PIL import Image, ImageFilter

from fststyle.data.scenes.rasterizer import SKY, Rasterizer
from fststyle.data.scenes.textures import log_uniform
from fststyle.images.io import to_uint8


def photograph(
    rasterizer: Rasterizer, random: np.random.Generator, blurred: float, hazy: float
) -> tuple[np.ndarray, np.ndarray]:
    """What the rasterizer drew as a photo (H×W×3 uint8), and its depth.

    Args:
        blurred, hazy: probabilities of a shallow depth of field, and of haze.
    """
    image, depth = rasterizer.image, rasterizer.depth
    if random.random() < hazy:
        image = add_haze(image, depth, random)
    image = antialias_edges(image, rasterizer.surface)
    if random.random() < blurred:
        image = add_depth_of_field(image, depth, rasterizer.focus, random)
    return develop(image, random), depth


def add_haze(image: np.ndarray, depth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Air light 1 − exp(−depth / reach) in what is not sky."""
    reach = log_uniform(random, 40, 1500)
    sky = depth >= SKY
    light = image[sky].mean(0) if sky.any() else random.uniform(0.6, 0.95) * np.ones(3)
    share = np.where(sky, 0, 1 - np.exp(-depth / reach))[..., None].astype(np.float32)
    return image + share * (light.astype(np.float32) - image)


def antialias_edges(image: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Blurred over a pixel where one surface ends and another begins."""
    edge = np.zeros(surface.shape, bool)
    down, across = surface[1:] != surface[:-1], surface[:, 1:] != surface[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return np.where(edge[..., None], _blur(image, 0.8), image)


def add_depth_of_field(
    image: np.ndarray, depth: np.ndarray, focus: float | None, random: np.random.Generator
) -> np.ndarray:
    """Sharp at one depth, mostly ``focus`` or a near one; blurred by the difference of inverse
    depths. What is in focus does not bleed into what is blurred behind it.
    """
    near = random.random() < 0.85
    if focus is None or not near:
        focus = float(np.quantile(depth, random.uniform(0, 0.2) if near else 0.7))
    blur = np.abs(1 - focus / depth) if near else np.abs(focus / depth - 1) / 4
    blur = np.clip(blur * random.uniform(0.7, 1.6), 0, 1).astype(np.float32)[..., None]
    largest = random.uniform(0.004, 0.025) * max(depth.shape)
    result = image
    for level in (0.4, 1.0):
        weight = np.clip(blur / level * 2 - 0.7, 0.02, 1)
        soft = _blur(image * weight, largest * level) / _blur_grey(weight, largest * level)
        result = result + np.clip(blur / level * 1.4 - 0.2, 0, 1) * (soft - result)
    return result


def develop(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, colour cast, softness, noise, and often JPEG; uint8."""
    gamma = float(np.exp(random.normal(0, 0.2)))
    gain = np.exp(random.normal(0, 0.12)) * np.exp(random.normal(0, 0.05, 3))
    image = np.clip(image, 0, 1.2) ** gamma * gain.astype(np.float32)
    if random.random() < 0.5:
        image = _blur(image, random.uniform(0.3, 0.8))
    if random.random() < 0.7:
        noise = random.standard_normal(image.shape, np.float32)
        image = image + np.float32(random.uniform(0.004, 0.03)) * noise
    pixels = to_uint8(image)
    if random.random() < 0.5:
        buffer = io.BytesIO()
        quality = int(random.integers(50, 96))
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(buffer))
    return pixels


def _blur(image: np.ndarray, radius: float) -> np.ndarray:
    kernel = ImageFilter.BoxBlur(radius) if radius < 1 else ImageFilter.GaussianBlur(radius)
    picture = Image.fromarray(to_uint8(image)).filter(kernel)
    return np.asarray(picture, np.float32) / 255


def _blur_grey(image: np.ndarray, radius: float) -> np.ndarray:
    return _blur(image[..., 0], radius)[..., None] + 1e-3
