"""A painting's style as a node of ComfyUI.

Install fststyle into the Python that runs ComfyUI (``pip install .`` in a clone), copy this file to
``ComfyUI/custom_nodes/`` and start ComfyUI anew: the node is under image/style.
"""

import functools
from typing import Any

import numpy as np
import torch

import fststyle

load_style = functools.cache(fststyle.load_style)


class FststyleNode:
    """Images in the style that is chosen, each by itself."""

    CATEGORY = "image/style"
    FUNCTION = "stylize"
    RETURN_TYPES = ("IMAGE",)
    DESCRIPTION = "Near and far, for styles that take a map, say how much of the image stays where."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[Any, ...]]]:
        """As ComfyUI asks for them: what a node has, by name, kind and limits."""
        part = {"min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "image": ("IMAGE",),
                "style": (list(fststyle.list_styles()),),
                "strength": ("FLOAT", {**part, "default": 1.0}),
                "keep_color": ("BOOLEAN", {"default": False}),
                "near": ("FLOAT", {**part, "default": 1.0}),
                "far": ("FLOAT", {**part, "default": 0.0}),
            },
            "optional": {
                "mask": ("MASK", {"tooltip": "white is near; without one, depth tells"}),
                "onnx_file": ("STRING", {"default": "", "tooltip": "another style than those"}),
            },
        }

    def stylize(
        self,
        image: torch.Tensor,
        style: str,
        strength: float,
        keep_color: bool,
        near: float,
        far: float,
        mask: torch.Tensor | None = None,
        onnx_file: str = "",
    ) -> tuple[torch.Tensor]:
        """``image``: B×H×W×3 floats in [0,1]; returned is the same. ``mask``: B×h×w in [0,1], or
        fewer, which are taken in turn."""
        apply = load_style(onnx_file.strip() or style)
        frames = (image[..., :3].cpu().numpy() * 255).round().clip(0, 255).astype(np.uint8)
        masks = [None] if mask is None else mask.reshape(-1, *mask.shape[-2:]).cpu().numpy()
        stylized = [
            apply(
                frame,
                strength=strength,
                keep_color=keep_color,
                near=near,
                far=far,
                weight_map=masks[number % len(masks)],
            )
            for number, frame in enumerate(frames)
        ]
        return (torch.from_numpy(np.stack(stylized).astype(np.float32) / 255),)


NODE_CLASS_MAPPINGS = {"Fststyle": FststyleNode}
NODE_DISPLAY_NAME_MAPPINGS = {"Fststyle": "Style of a painting (fststyle)"}
