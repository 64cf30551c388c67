"""Files with networks in them: ours and others', all opened by ``load``."""

from fststyle.checkpoints.loading import DEPTH, KINDS, LOSS, STYLE, ModelDescriptor, load

__all__ = ["DEPTH", "KINDS", "LOSS", "STYLE", "ModelDescriptor", "load"]
