"""A picture with the photo's colours: light and shade apart from colour (Gatys et al. 2017,
"Controlling perceptual factors in neural style transfer", section 5)."""

from torch import Tensor

WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in luma (ITU-R BT.601)."""


def luma(image: Tensor) -> Tensor:
    """N×3×H×W RGB to N×1×H×W, the same range."""
    weights = image.new_tensor(WEIGHTS).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def with_luma(image: Tensor, value: Tensor) -> Tensor:
    """The N×3×H×W ``image`` with N×1×H×W ``value`` for its luma, in [0,1]. Its chroma stays, which
    is what its channels differ by."""
    return (image + (value - luma(image))).clamp(0, 1)


def match_luma(painting: Tensor, content: Tensor) -> Tensor:
    """The painting in grey, N×3×H×W, with the mean and deviation of ``content``, N×1×H×W."""
    grey = luma(painting)
    scaled = (grey - grey.mean()) * (content.std() / grey.std().clamp(min=1e-6)) + content.mean()
    return scaled.clamp(0, 1).expand_as(painting)
