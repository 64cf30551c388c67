"""An exported style in a program without fststyle: ONNX Runtime, NumPy and Pillow are enough.

pip install onnxruntime numpy pillow
python examples/onnx_host.py checkpoints/styles/great_wave.onnx photo.jpg wave.jpg
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, photo, target = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.log_severity_level = 3  # else it warns of inputs that have defaults
providers = ["CPUExecutionProvider"]  # onnxruntime-gpu: before it "CUDAExecutionProvider"
session = onnxruntime.InferenceSession(model, options, providers)

# The file describes itself: what it is, what it was trained on, and with which settings.
card = json.loads(session.get_modelmeta().custom_metadata_map["fststyle"])
print(card["kind"], card["painting"]["title"])

# Its input is N×H×W×3 uint8, RGB, of sides of 16 pixels or more, and so is its output (exported
# without --uint8, N×3×H×W float32 in [0,1]). Controls are inputs with defaults, to be left out.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
inputs = {"content": np.asarray(image)[None], "strength": np.array(0.8, np.float32)}
(output,) = session.run(["output"], inputs)
Image.fromarray(output[0]).save(target)

# Besides, ``fststyle infer`` lays noise on plain surfaces, brings back the photo's own light and
# colours where it is to stay, and cuts large pictures into tiles.
