from types import SimpleNamespace
from typing import Any

from fststyle.training.style_task import StyleTask


def test_vgg_compares_in_the_last_part() -> None:
    def compares(done: float, first: str | None) -> Any:
        task: Any = SimpleNamespace(
            first_objective=first,
            objective="vgg19",
            config=SimpleNamespace(vgg_part=0.4),
            state=SimpleNamespace(progress=lambda config: (done, 10)),
        )
        return StyleTask.current_objective(task)

    assert [compares(done, "small") for done in (0, 5.9, 6, 10)] == ["small"] * 2 + ["vgg19"] * 2
    assert compares(0, None) == "vgg19"
