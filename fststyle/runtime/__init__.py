"""What runs where the networks are deployed: ONNX Runtime, NumPy and Pillow; never torch."""
