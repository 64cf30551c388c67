"""Batch norms that no longer learn, folded into the convolutions before them: the same network in
fewer passes over its maps."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold(norm: nn.Module, *convs: nn.Module) -> nn.Identity:
    """Fold ``norm``, a batch norm of the sum of ``convs``, into them, in place.

    Only the last of ``convs`` may have a bias, or none. Returns what belongs in the norm's place.
    """
    assert isinstance(norm, nn.BatchNorm2d) and not norm.training
    assert norm.running_mean is not None and norm.running_var is not None
    zero = torch.zeros_like(norm.running_mean)
    for conv in convs[:-1]:
        assert isinstance(conv, nn.Conv2d) and conv.bias is None
        conv.weight, _ = fuse_conv_bn_weights(
            conv.weight, None, zero, norm.running_var, norm.eps, norm.weight, zero
        )
    last = convs[-1]
    assert isinstance(last, nn.Conv2d)
    last.weight, last.bias = fuse_conv_bn_weights(
        *(last.weight, last.bias, norm.running_mean, norm.running_var, norm.eps),
        *(norm.weight, norm.bias),
    )
    return nn.Identity()


def fold_norms(network: nn.Module) -> None:
    """Call ``fold_norm`` of every module of ``network`` that has it. In evaluation mode only."""
    for module in network.modules():
        fold_norm = getattr(module, "fold_norm", None)
        if callable(fold_norm):
            fold_norm()
