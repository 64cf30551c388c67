"""The objective: frozen loss networks, the fixed targets of a style, weighted terms."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from fststyle.config.style import layer_factor
from fststyle.losses.functional import (
    content_loss,
    depth_loss,
    gram_matrix,
    relative_content_loss,
    relative_style_loss,
    style_loss,
    total_variation,
)
from fststyle.losses.weight_maps import propagate
from fststyle.networks.depth_head import LAYERS as DEPTH_LAYERS
from fststyle.networks.depth_head import VGGDepthHead
from fststyle.networks.vgg import VGG19Features

DepthNetwork = VGGDepthHead | Callable[[Tensor], Tensor]
"""What tells depth in a loss: a head, which reads the features that content and style need anyway,
or any function from N×3×H×W in [0,1] to N×1×H×W, differentiable. Larger = farther."""


class Targets(NamedTuple):
    """What outputs are compared with, of N content images; fixed while these are."""

    features: Mapping[str, Tensor]
    """Of the content layers."""
    alphas: Mapping[str, Tensor]
    """The content loss's weights in these layers; empty for the plain loss."""
    depth: Tensor | None
    """N×1×H×W, of the images whose depth is kept; None for none."""


class StyleObjective:
    """The weighted loss terms of ``output`` as a picture of ``content`` in a given style.

    Args:
        extractor: the loss network, cut no earlier than the deepest layer named, nor than
            ``DEPTH_LAYERS`` where ``depth`` is a head.
        paintings: 1×3×H×W, RGB in [0,1]; one for each painting and size.
        weights: of the terms "content", "style", "depth" and "tv"; a term of weight 0 is not
            computed.
        blend: parts of ``paintings`` in the style; equal by default.
        relative: content and style loss are ``relative_content_loss`` and ``relative_style_loss``.
        style_layer_weights: factors of the style layers; 1 by default.
        depth: the frozen depth network, needed where "depth" has a weight.
        depth_shift_free: as ``losses.depth_loss`` has it.
        downscale: average pooling by this factor stands in front of the loss networks, for
            contents, outputs, paintings and weight maps alike.
    """

    def __init__(
        self,
        extractor: VGG19Features,
        paintings: Sequence[Tensor],
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        weights: Mapping[str, float],
        *,
        blend: Sequence[float] = (),
        relative: bool = False,
        style_layer_weights: Sequence[float] = (),
        depth: DepthNetwork | None = None,
        depth_shift_free: bool = False,
        downscale: int = 1,
    ) -> None:
        self.extractor, self.depth, self.downscale = extractor, depth, downscale
        self.depth_shift_free, self.relative = depth_shift_free, relative
        self.content_layers, self.style_layers = tuple(content_layers), tuple(style_layers)
        self.style_layer_weights = tuple(style_layer_weights) or (1.0,) * len(style_layers)
        self.weights: dict[str, float | Tensor] = {
            name: weight for name, weight in weights.items() if weight > 0
        }
        assert depth is not None or "depth" not in self.weights
        self.grams = self._style_grams(paintings, blend)

    def restyled(self, paintings: Sequence[Tensor], blend: Sequence[float] = ()) -> Self:
        """The same objective for other ``paintings``, on the same networks."""
        other = copy.copy(self)
        other.grams = self._style_grams(paintings, blend)
        return other

    def _style_grams(
        self, paintings: Sequence[Tensor], blend: Sequence[float]
    ) -> dict[str, Tensor]:
        """As the terms need them."""
        pooled = [self._pool(painting) for painting in paintings]
        return style_grams(self.extractor, pooled, self.style_layers, blend)

    def __call__(
        self,
        output: Tensor,
        content: Tensor,
        content_weights: Tensor | None = None,
        *,
        depth_part: float = 1.0,
    ) -> dict[str, Tensor]:
        """Terms by name, unweighted, float32 scalars averaged over the batch.

        Several layers of a term are summed. Where terms are relative and there are
        ``content_weights`` there is "content_error", too: the sum without them.

        Args:
            output, content: N×3×H×W images, RGB in [0,1].
            content_weights: N×1×H×W weights of the content loss, whose place in the picture they
                follow into the layers; none for the plain loss.
            depth_part: the depth loss is that of the first images of the batch, this part of them,
                rounded up.
        """
        count = math.ceil(len(output) * depth_part) if "depth" in self.weights else len(output)
        if count in (0, len(output)):
            targets = self.targets(content, content_weights, depth=count > 0)
            return self.compare(output, targets)
        parts = [
            self.compare(
                output[part],
                self.targets(
                    content[part],
                    None if content_weights is None else content_weights[part],
                    depth=depth,
                ),
            )
            for part, depth in ((slice(count), True), (slice(count, None), False))
        ]
        share = count / len(output)
        first, rest = parts
        alike = {name: share * first[name] + (1 - share) * term for name, term in rest.items()}
        return {**first, **alike}

    @torch.no_grad()
    def targets(
        self, content: Tensor, content_weights: Tensor | None = None, *, depth: bool = True
    ) -> Targets:
        """What ``compare`` needs of content images; arguments as ``__call__`` has them.

        ``depth``: whether there is to be a depth loss, where it has a weight.
        """
        depth = depth and "depth" in self.weights
        content = self._pool(content)
        features = self._features(content, ("content", "depth") if depth else ("content",))
        alphas: dict[str, Tensor] = {}
        layers = self.content_layers if "content" in self.weights else ()
        if content_weights is not None:
            alphas = propagate(self._pool(content_weights), layers)
        return Targets(
            {layer: features[layer] for layer in layers},
            alphas,
            self._depth(content, features) if depth else None,
        )

    def compare(self, output: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Terms of N×3×H×W outputs, as ``__call__`` returns them; "depth" where ``targets`` have
        it."""
        terms: dict[str, Tensor] = {}
        if "tv" in self.weights:
            terms["tv"] = total_variation(output)
        output = self._pool(output)
        names = ("content", "style") if targets.depth is None else ("content", "style", "depth")
        features = self._features(output, names)
        if "content" in self.weights:
            content_term = relative_content_loss if self.relative else content_loss
            terms["content"] = _total(
                content_term(features[layer], target, targets.alphas.get(layer))
                for layer, target in targets.features.items()
            )
            if self.relative and targets.alphas:
                with torch.no_grad():
                    terms["content_error"] = _total(
                        relative_content_loss(features[layer], target)
                        for layer, target in targets.features.items()
                    )
        if "style" in self.weights:
            style_term = relative_style_loss if self.relative else style_loss
            terms["style"] = _total(
                weight * style_term(features[layer], self.grams[layer])
                for layer, weight in zip(self.style_layers, self.style_layer_weights, strict=True)
            )
        if targets.depth is not None:
            depth = self._depth(output, features)
            terms["depth"] = depth_loss(depth, targets.depth, shift_free=self.depth_shift_free)
        return terms

    def content_error(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The relative content error in ``terms``, the mean over the content layers, whatever the
        content weights."""
        return terms.get("content_error", terms["content"]) / len(self.content_layers)

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        """Feature maps of the content and style layers as they are compared."""
        layers = {*self.content_layers, *self.style_layers}
        return self.extractor(self._pool(image), layers)

    def depth_of(self, image: Tensor) -> Tensor:
        """N×1×H'×W' depth of N×3×H×W images as the depth loss compares it; with a weight for
        "depth" only."""
        image = self._pool(image)
        return self._depth(image, self._features(image, ("depth",)))

    def _depth(self, image: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        assert self.depth is not None
        if isinstance(self.depth, VGGDepthHead):
            return self.depth(features)
        return self.depth(image)

    def weighted_sum(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Σ weight · term, of the terms that have a weight."""
        return _total(
            weight * terms[name] for name, weight in self.weights.items() if name in terms
        )

    def _features(self, image: Tensor, terms: Sequence[str]) -> dict[str, Tensor]:
        """What those of ``terms`` that have a weight need; extracted once for all of them."""
        needs = {
            "content": self.content_layers,
            "style": self.style_layers,
            "depth": DEPTH_LAYERS if isinstance(self.depth, VGGDepthHead) else (),
        }
        layers = {layer for term in terms if term in self.weights for layer in needs[term]}
        return self.extractor(image, layers) if layers else {}

    def _pool(self, image: Tensor) -> Tensor:
        return F.avg_pool2d(image, self.downscale) if self.downscale > 1 else image


TAUGHT_LAYERS = {
    layer: layer_factor(layer) for layer in ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
}
"""Layers of ``TaughtFeatures`` and their parts in the style."""


class TaughtFeatures:
    """How a loss network sees pictures differ from those that are wanted.

    Args:
        extractor: the loss network, cut no earlier than the deepest of ``TAUGHT_LAYERS``.
        paintings: 1×3×H×W, RGB in [0,1], whose style, the mean of theirs, is wanted, too.
        dtype: of the frozen convolutions; the paintings' style is computed before in their own.
    """

    def __init__(
        self, extractor: VGG19Features, paintings: Sequence[Tensor], dtype: torch.dtype
    ) -> None:
        self.extractor = extractor
        self.grams = style_grams(extractor, paintings, list(TAUGHT_LAYERS)) if paintings else {}
        extractor.convs.to(dtype).to(memory_format=torch.channels_last)

    def __call__(self, output: Tensor, wanted: Tensor, parts: Tensor | None) -> dict[str, Tensor]:
        """Terms by name, of N×3×H×W, RGB in [0,1]; float32 scalars: "style",
        ``relative_style_loss`` of each picture with that of its own which is wanted, summed over
        the layers; "content", ``relative_content_loss`` in the deepest of these; "painting", where
        there are any, ``relative_style_loss`` with these, ``parts`` (N numbers) of it."""
        with torch.no_grad():
            targets = self.extractor(wanted, TAUGHT_LAYERS)
        features = self.extractor(output, TAUGHT_LAYERS)
        terms = {
            "style": _total(
                part * relative_style_loss(features[layer], gram_matrix(targets[layer]))
                for layer, part in TAUGHT_LAYERS.items()
            )
        }
        deepest = list(TAUGHT_LAYERS)[-1]
        terms["content"] = relative_content_loss(features[deepest], targets[deepest])
        if self.grams:
            terms["painting"] = _total(
                part * relative_style_loss(features[layer], self.grams[layer], parts)
                for layer, part in TAUGHT_LAYERS.items()
            )
        return terms


@torch.no_grad()
def style_grams(
    extractor: VGG19Features,
    paintings: Sequence[Tensor],
    layers: Sequence[str],
    blend: Sequence[float] = (),
) -> dict[str, Tensor]:
    """Gram matrices by layer, C×C, of 1×3×H×W paintings, each its part in ``blend``, equal ones by
    default."""
    # Σ_k p_k ‖G − S_k‖² and ‖G − Σ_k p_k S_k‖² differ by a constant if Σ p_k = 1: one target does
    # for all.
    parts = torch.tensor(blend or [1.0] * len(paintings), device=paintings[0].device)
    parts = (parts / parts.sum()).view(-1, 1, 1, 1)
    maps = [extractor(painting, layers) for painting in paintings]
    grams = {layer: torch.stack([gram_matrix(m[layer]) for m in maps]) for layer in layers}
    return {layer: (parts * gram).sum(0) for layer, gram in grams.items()}


def _total(values) -> Tensor:  # type: ignore[no-untyped-def]
    return torch.stack(list(values)).sum()
