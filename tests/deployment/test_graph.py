from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from fststyle.deployment.graph import converted


@pytest.mark.parametrize("opset", range(15, 24))
def test_operators_of_other_sets(opset: int) -> None:
    """Those that changed between them, in one graph."""
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 18]>
        graph (float[n, 2, h, w] content) => (float[n, 2] mean, float[n, 2, i, j] large)
        <int64[8] pads = {0, 0, 1, 1, 0, 0, 1, 1}, int64[2] axes = {2, 3},
         float[4] scales = {1, 1, 2, 2}, float[2] scale = {1, 2}, float[2] shift = {0, 1}> {
            padded = Pad <mode = "reflect"> (content, pads)
            normed = InstanceNormalization (padded, scale, shift)
            mean = ReduceMean <keepdims = 0, noop_with_empty_axes = 0> (padded, axes)
            large = Resize <mode = "linear", antialias = 0,
                keep_aspect_ratio_policy = "stretch"> (normed, , scales)
        }"""
    )
    content = np.random.default_rng(0).random((1, 2, 5, 4), np.float32)
    model.graph.node[0].doc_string = "/home/me/file.py"
    before = onnx.ModelProto.FromString(model.SerializeToString())
    found = converted(model, opset)
    assert [i.version for i in found.opset_import] == [opset]
    assert b"/home/me" not in found.SerializeToString()
    fed = {"content": content}
    results: list[Any] = [ReferenceEvaluator(m).run(None, fed) for m in (found, before)]
    (mean, large), expected = results
    np.testing.assert_allclose(mean, expected[0], atol=1e-6)
    np.testing.assert_allclose(large, expected[1], atol=1e-6)
    np.testing.assert_allclose(
        mean, np.pad(content, 2 * [(0, 0)] + 2 * [(1, 1)], "reflect").mean((2, 3)), atol=1e-6
    )


def test_what_a_set_does_not_have_is_said() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 18]>
        graph (float[n, 2, h, w] content) => (float[n, 2, i, j] small)
        <float[4] scales = {1, 1, 0.5, 0.5}> {
            small = Resize <mode = "linear", antialias = 1> (content, , scales)
        }"""
    )
    with pytest.raises(ValueError, match="--opset 17: the network cannot be converted"):
        converted(model, 17)
