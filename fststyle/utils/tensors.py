"""Pictures to tensors."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def as_tensor(image: Image.Image | np.ndarray) -> Tensor:
    """RGB, a picture or uint8 H×W×3, to 1×3×H×W in [0,1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
