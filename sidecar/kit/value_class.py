"""Values: dataclasses that nobody changes, for what is made several times for each job.

The interpreter's own ``frozen=True`` sets each field of a new object by a function call, which made up a twentieth of
a job. Here the type checker forbids changes, and at run time nothing does.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(cls: type[T]) -> type[T]:
    """Make a slotted dataclass of ``cls`` that compares and hashes by its fields; do not change one once it is made."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
