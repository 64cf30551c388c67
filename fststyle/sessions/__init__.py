"""Exported networks, opened in ONNX Runtime; no torch."""
