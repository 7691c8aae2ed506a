"""Models by name, those that come with the platform and those that were added; each is imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from inference.model import Model

_PLACES = {
    "asymmetry": ("inference.builtin.asymmetry.model", "Asymmetry"),
    "ich": ("inference.builtin.haemorrhage", "Haemorrhage"),
    "lung-nodule": ("inference.builtin.nodule", "LungNodule"),
    "reference-head": ("inference.reference.head", "ReferenceHead"),
    "reference-lung": ("inference.reference.lung", "ReferenceLung"),
}
MODEL_NAMES = tuple(sorted(_PLACES))


class UnknownModelError(LookupError):
    """No model of that name is here."""


def load_model(name: str, bundles_dir: Path | None = None) -> Model:
    """
    Make the model of a name.

    Parameters
    ----------
    name
        One of `MODEL_NAMES`, or of a bundle that was added.
    bundles_dir
        Where added bundles are; None: only what comes with the platform.

    Raises
    ------
    UnknownModelError
        When there is none of that name.
    ConfigurationError
        When its bundle cannot start: no weights, changed since it was added, not as it says. The message says what
        to do.
    """
    if name in _PLACES:
        module, class_name = _PLACES[name]
        make: Callable[[], Model] = getattr(import_module(module), class_name)
        return make()
    known = [*MODEL_NAMES]
    if bundles_dir is not None:
        from inference.bundles.store import added_names, find_added, read_added

        folder = find_added(bundles_dir, name)
        if folder is not None:
            bundle = read_added(folder)
            from inference.bundles.model import BundleModel

            return BundleModel(bundle)
        known += added_names(bundles_dir)
    raise UnknownModelError(f"got model {name!r}, expected one of {', '.join(known)}; `voorrang model add` adds others")
