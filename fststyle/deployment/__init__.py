"""From a trained network to an ONNX file that is known to agree with it."""
