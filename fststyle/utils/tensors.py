"""Pictures to tensors."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def as_tensor(image: Image.Image) -> Tensor:
    """RGB to 1×3×H×W in [0,1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
