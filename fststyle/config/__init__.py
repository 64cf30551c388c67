"""Every setting of every command, once: frozen dataclasses, one for each command."""

from fststyle.config.bench import (
    BenchDepthConfig,
    BenchInferConfig,
    BenchOptimizeConfig,
    BenchRobustnessConfig,
    BenchTrainConfig,
    BenchVideoConfig,
)
from fststyle.config.depth import (
    DepthConvertConfig,
    DepthEvalConfig,
    DepthPredictConfig,
    DepthSettings,
    DepthTrainConfig,
    parse_share,
)
from fststyle.config.evaluate import CompareConfig, EvaluateConfig, JudgeConfig
from fststyle.config.export import ExportConfig, PublishConfig
from fststyle.config.infer import InferConfig
from fststyle.config.loss import DemoConfig, LossTrainConfig
from fststyle.config.optimize import OptimizeConfig
from fststyle.config.options import add_arguments, as_typed
from fststyle.config.page import PageConfig
from fststyle.config.runs import LoopConfig, RunConfig, run_folder
from fststyle.config.settings import (
    changed,
    check,
    from_json,
    from_options,
    needed,
    parse_size,
    setting,
    to_json,
)
from fststyle.config.style import (
    METHODS,
    DistillConfig,
    ObjectiveConfig,
    PreviewConfig,
    StyleRunConfig,
    StyleTrainConfig,
)

__all__ = [
    "METHODS",
    "BenchDepthConfig",
    "BenchInferConfig",
    "BenchOptimizeConfig",
    "BenchRobustnessConfig",
    "BenchTrainConfig",
    "BenchVideoConfig",
    "CompareConfig",
    "DemoConfig",
    "DepthConvertConfig",
    "DepthEvalConfig",
    "DepthPredictConfig",
    "DepthSettings",
    "DepthTrainConfig",
    "DistillConfig",
    "EvaluateConfig",
    "ExportConfig",
    "InferConfig",
    "JudgeConfig",
    "LoopConfig",
    "LossTrainConfig",
    "ObjectiveConfig",
    "OptimizeConfig",
    "PageConfig",
    "PreviewConfig",
    "PublishConfig",
    "RunConfig",
    "StyleRunConfig",
    "StyleTrainConfig",
    "add_arguments",
    "as_typed",
    "changed",
    "check",
    "from_json",
    "from_options",
    "needed",
    "parse_share",
    "parse_size",
    "run_folder",
    "setting",
    "to_json",
]
