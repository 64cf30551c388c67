"""fststyle: depth-aware fast style transfer. Importing this package has no side effects."""

__version__ = "0.1.0"
