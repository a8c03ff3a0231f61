"""What pydantic found, in the words of the settings file: ``section.key: what is wrong; remedy``."""

import difflib
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_PHRASES: Final = MappingProxyType(
    {
        "model_type": "is a group of settings; write its keys below it",
        "model_attributes_type": "is a group of settings; write its keys below it",
        "dict_type": "must be keys with values",
        "tuple_type": "must be a list; write [a, b] or one entry a line, each after a dash",
        "string_type": "must be text; put it in quotes",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "string_pattern_mismatch": "does not have the right form; it must match {pattern}",
        "literal_error": "must be one of {expected}",
        "enum": "must be one of {expected}",
        "greater_than": "must be greater than {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "too_short": "has too few entries; give at least {min_length}",
        "too_long": "has too many entries; give at most {max_length}",
        "string_too_short": "is too short; give at least {min_length} characters",
        "string_too_long": "is too long; give at most {max_length} characters",
        "union_tag_not_found": "has no type; say which kind it is, by a key named type",
        "union_tag_invalid": "has a type that does not exist; choose one of {expected_tags}",
    }
)


def complaints(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Render each error as one line; what was written is told only where a setting's own check tells it."""
    errors = error.errors(include_url=False, include_input=False)
    return [_line(details, root) for details in errors if not _follows(details, errors)]


def dotted(location: Sequence[str | int]) -> str:
    """Render a location as people write it: ``routes[0].services[1].url``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _follows(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list only counts as too short because pydantic left its wrong entries out."""
    place = details["loc"]
    inside = (other["loc"] for other in errors if len(other["loc"]) > len(place))
    return details["type"] == "too_short" and any(location[: len(place)] == place for location in inside)


def _line(details: ErrorDetails, root: type[BaseModel]) -> str:
    location, siblings = _walk(details["loc"], root)
    kind = details["type"]
    where = dotted(location) or "settings"
    if kind == "extra_forbidden":
        return f"{where}: is not a setting; {_suggestion(str(location[-1]), siblings, root)}"
    if kind == "missing":
        return f"{where}: is missing; {_how_to_set(location)}"
    if kind == "value_error":
        return f"{where}: {details['ctx']['error']}"
    phrase = _PHRASES.get(kind)
    return f"{where}: {phrase.format(**details.get('ctx', {})) if phrase else details['msg']}"


def _how_to_set(location: Sequence[str | int]) -> str:
    if any(isinstance(part, int) for part in location):
        return "set it"
    return f"set it in the file or as SIDECAR_{'__'.join(str(part) for part in location).upper()}"


def _suggestion(key: str, siblings: Sequence[str], root: type[BaseModel]) -> str:
    very_near = difflib.get_close_matches(key.lower(), siblings, n=1, cutoff=0.8)
    elsewhere = [path for path in _all_paths(root) if path.rpartition(".")[2] == key]
    near = difflib.get_close_matches(key.lower(), siblings, n=1)
    for candidates in (very_near, elsewhere, near):
        if candidates:
            return f"did you mean {candidates[0]}?"
    return f"the settings here are {', '.join(siblings)}"


def _walk(location: Sequence[str | int], root: type[BaseModel]) -> tuple[list[str | int], list[str]]:
    """Follow a location, leaving out the tags that pydantic puts in for kinds; also say what could stand at its end."""
    models: list[type[BaseModel]] = [root]
    clean: list[str | int] = []
    siblings: list[str] = []
    for part in location:
        chosen = [model for model in models if isinstance(part, str) and part in _kinds(model)]
        if chosen and (len(models) > 1 or not any(part in model.model_fields for model in models)):
            models = chosen
            continue
        clean.append(part)
        if isinstance(part, str):
            siblings = [name for model in models for name in model.model_fields]
            models = [found for model in models if part in model.model_fields for found in _models_of(model, part)]
    return clean, siblings


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field is not None else ()


def _models_of(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    return list(_models_in(model.model_fields[key].annotation))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _all_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name in model.model_fields:
        yield f"{prefix}{name}"
        for inner in _models_of(model, name):
            yield from _all_paths(inner, f"{prefix}{name}.")
