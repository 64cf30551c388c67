"""Commands as functions: what a command line gives as options, Python gives as keywords."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fststyle.config.settings import from_options, settings_of

P = ParamSpec("P")
Config = TypeVar("Config")
Result = TypeVar("Result")


def from_settings(
    config: Callable[P, Config],
) -> Callable[[Callable[[Config], Result]], Callable[P, Result]]:
    """A function of the settings ``config`` becomes one that takes each of them as a keyword.

    Raises ValueError where settings are missing or do not go together.
    """

    def decorate(function: Callable[[Config], Result]) -> Callable[P, Result]:
        def call(options: Mapping[str, Any]) -> Result:
            return function(from_options(config, options))  # type: ignore[arg-type]

        return from_keywords(config)(wraps(function)(call))

    return decorate


def from_keywords(
    config: Callable[P, object],
) -> Callable[[Callable[[Mapping[str, Any]], Result]], Callable[P, Result]]:
    """The same for a function of those settings of ``config`` that were given, by name."""

    def decorate(function: Callable[[Mapping[str, Any]], Result]) -> Callable[P, Result]:
        signature = inspect.signature(config)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                options = signature.bind_partial(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            return function(options)

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = _with_settings(function.__doc__ or "", config)
        return call

    return decorate


def _with_settings(text: str, config: Any) -> str:
    """A docstring, and in it what each setting means."""
    lines = [
        textwrap.fill(
            f"{f.name}: {f.metadata['help']}",
            width=100,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
        )
        for f in settings_of(config)
    ]
    return "\n".join([inspect.cleandoc(text), "", "Args:", *lines])
