"""How learning rates fall."""


def decay(step: int, steps: int, part: float) -> float:
    """Factor on the learning rate: 1, then falling evenly to 0 over the last ``part`` of steps."""
    return min(1.0, (steps - step) / (part * steps)) if part > 0 else 1.0
