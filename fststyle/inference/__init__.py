"""Exported networks at work on pictures; no torch."""
