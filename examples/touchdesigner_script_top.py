"""A style in TouchDesigner: callbacks of a Script TOP whose input is the picture.

Install ONNX Runtime where TouchDesigner's Python finds it (Preferences, Python 64-bit Module Path;
``pip install --target FOLDER onnxruntime``). MODEL is one that ships, or a file of
``fststyle export --uint8``. Neither fststyle nor PyTorch is needed.
"""

from typing import Any

import numpy as np
import onnxruntime

MODEL = "checkpoints/styles/starry_night_live.onnx"
CONTROLS = {"strength": np.array(1.0, np.float32)}

options = onnxruntime.SessionOptions()
options.log_severity_level = 3  # else it warns of inputs that have defaults
providers = ["CPUExecutionProvider"]  # onnxruntime-gpu: before it "CUDAExecutionProvider"
session = onnxruntime.InferenceSession(MODEL, options, providers)


def onCook(scriptOp: Any) -> None:
    """TouchDesigner's arrays are H×W×4 float32 in [0,1], their first row at the bottom; the style
    takes 1×H×W×3 uint8, from the top."""
    picture = scriptOp.inputs[0].numpyArray()
    if picture is None:
        return
    frame = (picture[::-1, :, :3] * 255).round().clip(0, 255).astype(np.uint8)
    (output,) = session.run(["output"], {"content": np.ascontiguousarray(frame[None]), **CONTROLS})
    scriptOp.copyNumpyArray(np.ascontiguousarray(output[0, ::-1]))
