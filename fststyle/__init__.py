"""Depth-aware fast style transfer.

>>> import fststyle
>>> stylize = fststyle.load_style("starry_night_live")
>>> picture = stylize("photo.jpg", strength=0.8)
>>> picture.save("starry.jpg")

Names are imported on first use: ``import fststyle`` takes no time and has no effects.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # each name a second time, for type checkers
    from fststyle.inference.styles import Style as Style
    from fststyle.inference.styles import list_styles as list_styles
    from fststyle.inference.styles import load_style as load_style
    from fststyle.inference.stylizer import Stylizer as Stylizer

_MODULES = {
    "Style": "fststyle.inference.styles",
    "Stylizer": "fststyle.inference.stylizer",
    "list_styles": "fststyle.inference.styles",
    "load_style": "fststyle.inference.styles",
}
"""Where each name is defined."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
