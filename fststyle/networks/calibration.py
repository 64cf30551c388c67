"""The fixed pictures on which loss networks are calibrated."""

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor

from fststyle.networks.vgg import VGG19Features


def calibrate(extractor: VGG19Features) -> None:
    """Scale each layer so that its mean ReLU activation over ``calibration_images`` is 1.

    After that loss weights mean the same whatever file the weights came from (Gatys et al. 2016
    scale VGG likewise). Raises ValueError where a layer is silent or not finite.
    """
    extractor.divide_activations(mean_activations(extractor))


def mean_activations(extractor: VGG19Features) -> dict[str, float]:
    """Mean ReLU activation of each convolution, by its name, over ``calibration_images``.

    One pass measures all layers, since scaling one leaves the others as they are. Raises ValueError
    where a layer is silent or not finite.
    """
    digest = hashlib.sha256()
    for tensor in extractor.convs.state_dict().values():
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    key = digest.hexdigest()
    if key not in _means:
        _means[key] = _measured(extractor)
    return dict(_means[key])


_means: dict[str, dict[str, float]] = {}
"""By the weights: the loss and a depth network may read the same, and it takes seconds."""


def _measured(extractor: VGG19Features) -> dict[str, float]:
    device = next(extractor.parameters()).device
    images = calibration_images().to(device)
    means = [extractor.mean_activations(image[None]) for image in images]
    average = {name: sum(m[name] for m in means) / len(means) for name in means[0]}
    if not all(np.isfinite(mean) and mean > 0 for mean in average.values()):
        raise ValueError("VGG-19 weights: a layer is silent or not finite; is the file damaged?")
    return average


@functools.lru_cache(maxsize=2)
def calibration_images(count: int = 8, size: int = 256) -> Tensor:
    """N×3×size×size in [0,1]: the same for everybody, with the statistics of photos.

    "Dead leaves" (discs of all sizes that occlude one another; Lee, Mumford and Huang 2001) with
    shading and 1/f noise. Drawn instead of photographed, so that they need no file and have no
    owner. The constants were chosen so that VGG-19's layers up to relu4_3 are as active as on
    photos: within 9 % of their mean over 96 of them.
    """
    # RandomState's streams are the same in every version of NumPy.
    return torch.stack([_dead_leaves(np.random.RandomState(i), size) for i in range(count)])


def _dead_leaves(random: np.random.RandomState, size: int) -> Tensor:
    y, x = np.mgrid[:size, :size] / size
    image = np.zeros((size, size, 3))
    for _ in range(150):
        radius = min(0.06 * (1 - random.random_sample()) ** -0.5, 1.0)
        centre_x, centre_y = random.random_sample(2)
        color = np.clip(random.beta(1.5, 1.5) + random.normal(0, 0.06, 3), 0, 1)
        slope_x, slope_y = random.normal(0, 0.3, 2)
        x_in, y_in = x - centre_x, y - centre_y
        leaf = np.hypot(x_in, y_in) < radius
        image[leaf] = (color + (x_in * slope_x + y_in * slope_y)[..., None])[leaf]
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(random.normal(size=(size, size))) / frequency).real
    image = np.clip(image + 0.08 * (noise / noise.std())[..., None], 0, 1)
    return torch.from_numpy(image).permute(2, 0, 1).float()
