"""Configured arguments against the signatures that they go to."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from project.errors import ConfigError, suggestion

_ARBITRARY = ConfigDict(arbitrary_types_allowed=True)


def check_arguments(target: Callable[..., Any], arguments: Mapping[str, Any], path: str) -> None:
    """Checks names and types of the arguments that are plain values.

    Args:
        target: A class or function.
        arguments: By name; nested objects that are yet to be built are checked for their name only.
        path: Where they stand in the configuration.

    Raises:
        ConfigError: If the target has no such argument, or its type hint does not allow the value.
    """
    parameters = inspect.signature(target).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    hints = _hints(target)
    for name, value in arguments.items():
        if name not in parameters and not takes_any:
            raise ConfigError(
                f"{path}.{name}: {_name(target)} has no such argument; it takes "
                f"{', '.join(parameters)}.{suggestion(name, parameters)}"
            )
        if name in hints and not _holds_objects(value):
            _check_type(hints[name], value, f"{path}.{name}")


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError):  # hints that exist for type checkers only
        return {}


def _holds_objects(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(_holds_objects(v) for v in value.values())
    return isinstance(value, list) and any(_holds_objects(v) for v in value)


def _check_type(hint: Any, value: Any, path: str) -> None:
    try:
        accepted = TypeAdapter(hint, config=_ARBITRARY).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ConfigError(
            f"{path}: expected {_describe(hint)}, got {value!r} ({type(value).__name__}). {reason}."
        ) from None
    except (PydanticSchemaGenerationError, PydanticUserError):
        return  # not a type that plain values can have
    if isinstance(value, str | bool) and type(accepted) is not type(value):
        raise ConfigError(
            f"{path}: expected {_describe(hint)}, got {value!r} ({type(value).__name__})."
        )


def _describe(hint: Any) -> str:
    return hint.__name__ if inspect.isclass(hint) else str(hint).replace("typing.", "")


def _name(target: Callable[..., Any]) -> str:
    return getattr(target, "__qualname__", str(target))
