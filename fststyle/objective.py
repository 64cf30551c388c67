"""What a stylized picture is judged by: a frozen loss network and the fixed targets of a style."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fststyle.losses import content_loss, gram_matrix, style_loss, total_variation
from fststyle.networks.vgg import VGG19Features


class StyleObjective:
    """The weighted loss terms of ``output`` as a picture of ``content`` in a given style.

    Args:
        extractor: the loss network, cut no earlier than the deepest layer named.
        paintings: 1×3×H×W, RGB in [0,1]; one for each painting and size. Several are averaged.
        weights: of the terms "content", "style" and "tv"; a term of weight 0 is not computed.
    """

    def __init__(
        self,
        extractor: VGG19Features,
        paintings: Sequence[Tensor],
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        weights: Mapping[str, float],
    ) -> None:
        self.extractor = extractor
        self.content_layers, self.style_layers = tuple(content_layers), tuple(style_layers)
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        # Σ_k ‖G − S_k‖²/K and ‖G − ΣS_k/K‖² differ by a constant: one target does for all.
        with torch.no_grad():
            maps = [extractor(painting, self.style_layers) for painting in paintings]
            self.grams = {
                layer: torch.stack([gram_matrix(m[layer]) for m in maps]).mean(0)
                for layer in self.style_layers
            }

    def __call__(self, output: Tensor, content: Tensor) -> dict[str, Tensor]:
        """Terms by name, unweighted, float32 scalars averaged over the batch of N×3×H×W images.

        Several layers of a term are summed.
        """
        terms: dict[str, Tensor] = {}
        layers: set[str] = set()
        if "content" in self.weights:
            layers |= set(self.content_layers)
        if "style" in self.weights:
            layers |= set(self.style_layers)
        features = self.extractor(output, layers) if layers else {}
        if "content" in self.weights:
            with torch.no_grad():
                targets = self.extractor(content, self.content_layers)
            terms["content"] = _total(
                content_loss(features[layer], targets[layer]) for layer in self.content_layers
            )
        if "style" in self.weights:
            terms["style"] = _total(
                style_loss(features[layer], self.grams[layer]) for layer in self.style_layers
            )
        if "tv" in self.weights:
            terms["tv"] = total_variation(output)
        return terms

    def weighted_sum(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Σ weight · term."""
        return _total(self.weights[name] * term for name, term in terms.items())


def _total(values) -> Tensor:  # type: ignore[no-untyped-def]
    return torch.stack(list(values)).sum()
