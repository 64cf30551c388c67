"""What trainings and optimizations do where a loss is no number."""

MOST_ROLLBACKS = 3
"""How often in a row, with no checkpoint reached in between, a run is taken back."""


class NonFiniteError(ValueError):
    """The loss or a gradient stopped being a finite number, and going back did not help."""
