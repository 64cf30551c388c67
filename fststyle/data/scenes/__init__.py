"""Drawn scenes with known depth."""
