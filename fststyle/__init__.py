"""Depth-aware fast style transfer.

>>> import fststyle
>>> stylize = fststyle.load_style("starry_night_live")
>>> picture = stylize("photo.jpg", strength=0.8)
>>> picture.save("starry.jpg")

Names are imported on first use: ``import fststyle`` takes no time and has no effects.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fststyle.utils.version import __version__ as __version__

if TYPE_CHECKING:  # each name a second time, for type checkers
    from fststyle.deployment.export import Exported as Exported
    from fststyle.deployment.export import export as export
    from fststyle.depth.predict import estimate_depth as estimate_depth
    from fststyle.inference.styles import Style as Style
    from fststyle.inference.styles import list_styles as list_styles
    from fststyle.inference.styles import load_style as load_style
    from fststyle.inference.stylizer import Stylizer as Stylizer
    from fststyle.optimization.results import Optimized as Optimized
    from fststyle.optimization.results import OptimizedPicture as OptimizedPicture
    from fststyle.optimization.run import optimize as optimize
    from fststyle.training.distill import distill as distill
    from fststyle.training.style import TrainedStyle as TrainedStyle
    from fststyle.training.style import train as train

_MODULES = {
    "Exported": "fststyle.deployment.export",
    "Optimized": "fststyle.optimization.results",
    "OptimizedPicture": "fststyle.optimization.results",
    "Style": "fststyle.inference.styles",
    "Stylizer": "fststyle.inference.stylizer",
    "TrainedStyle": "fststyle.training.style",
    "distill": "fststyle.training.distill",
    "estimate_depth": "fststyle.depth.predict",
    "export": "fststyle.deployment.export",
    "list_styles": "fststyle.inference.styles",
    "load_style": "fststyle.inference.styles",
    "optimize": "fststyle.optimization.run",
    "train": "fststyle.training.style",
}
"""Where each name is defined."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("fststyle"):
            raise
        raise ModuleNotFoundError(
            f"fststyle.{name} needs {error.name}, which is not installed: in a clone of fststyle,"
            ' pip install ".[train]"',
            name=error.name,
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"})
