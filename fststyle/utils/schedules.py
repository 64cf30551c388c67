"""How learning rates fall."""


def decay(done: float, total: float, part: float) -> float:
    """Factor on the learning rate after ``done`` of ``total`` steps, or seconds: 1, then falling
    evenly to 0 over the last ``part`` of them."""
    return min(1.0, (total - done) / (part * total)) if part > 0 else 1.0
