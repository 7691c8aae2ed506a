"""Models that come with the platform, by name; each is imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from inference.model import Model

_PLACES = {
    "reference-head": ("inference.reference.head", "ReferenceHead"),
    "reference-lung": ("inference.reference.lung", "ReferenceLung"),
}
MODEL_NAMES = tuple(sorted(_PLACES))


class UnknownModelError(LookupError):
    """No model of that name comes with the platform."""


def load_model(name: str) -> Model:
    """
    Make the model of a name.

    Raises
    ------
    UnknownModelError
        When the name is none of `MODEL_NAMES`.
    """
    if name not in _PLACES:
        raise UnknownModelError(f"got model {name!r}, expected one of {', '.join(MODEL_NAMES)}")
    module, class_name = _PLACES[name]
    make: Callable[[], Model] = getattr(import_module(module), class_name)
    return make()
