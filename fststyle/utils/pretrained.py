"""Where the networks lie that come with the project."""

import difflib
import sysconfig
from pathlib import Path

_CANDIDATES = (
    Path(__file__).parents[2] / "checkpoints",  # a clone
    Path(sysconfig.get_path("data")) / "share" / "fststyle" / "checkpoints",  # an installed wheel
)
CHECKPOINTS = next((path for path in _CANDIDATES if path.is_dir()), _CANDIDATES[0])
"""The folder with ``depth/``, ``loss/`` and ``styles/``."""


def shipped_styles() -> dict[str, Path]:
    """The ONNX files of the styles that ship, by name."""
    return {path.stem: path for path in sorted((CHECKPOINTS / "styles").glob("*.onnx"))}


def describe_no_style(name: str | Path) -> str:
    """What to say of ``name``, given as a style, where it is neither one that ships nor an ONNX
    file."""
    if str(name).endswith(".safetensors"):
        return f"{name} is to be exported first: fststyle export {name} --uint8"
    trained = sorted(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []
    for file in trained:
        if file.stem != "state":
            return f"{name} is a folder; {describe_no_style(file)}"
    alike = difflib.get_close_matches(str(name).lower(), shipped_styles(), 1, 0.7)
    if alike:
        return f"{name} is no style; did you mean {alike[0]}?"
    ships = f"the styles that ship are {', '.join(shipped_styles())}"
    return f"{name} is no style: {ships}; others are given as NAME.onnx"


def style_file(name: str | Path) -> Path:
    """The file of the style that ships as ``name``; where none does, ``name`` itself.

    A file or folder of that name changes nothing, since a result may bear it: ``--output udnie``.
    ``./udnie`` names the file.
    """
    return shipped_styles().get(str(name), Path(name))
