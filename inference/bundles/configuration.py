"""
The part of `configs/inference.json` that is reached from what is built, checked, then given to `monai.bundle`.

Training and evaluation, data sets, handlers and `imports` of a published bundle are not reached: MONAI never sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monai.bundle.config_parser import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from inference.bundles import pyramid
from inference.bundles.allowed import why_not_expression, why_not_target
from inference.bundles.contract import INFERENCE, Boxes, Candidates, Contract
from inference.bundles.problems import BundleError, Problem, refuse_if_any

PREPROCESSING = "preprocessing"
MODES = (None, "default", "callable")

# We hand over the series as one image with its place; these read files, or guess axes from them.
_LOADING = frozenset({"LoadImaged", "LoadImageD", "LoadImageDict", "EnsureChannelFirstd", "EnsureChannelFirstD"})
_REMEDY_CALL = "use a network of MONAI, or save it as TorchScript"


def roots(contract: Contract) -> list[str]:
    """Return the ids that are built: networks, what reads with them, preprocessing."""
    ids = [PREPROCESSING]
    ids += [name for name, file in contract.networks.items() if not file.endswith(".ts")]
    match contract.reading:
        case Boxes() as boxes:
            ids += [boxes.detector, *([boxes.setup] if boxes.setup else [])]
        case Candidates() as candidates if candidates.segmenter.inferer:
            ids.append(candidates.segmenter.inferer)
    return ids


def open_configuration(inference: Mapping[str, Any], contract: Contract) -> ConfigParser:
    """
    Make MONAI's parser of the part that is reached.

    Parameters
    ----------
    inference
        `configs/inference.json`, as written.
    contract
        Says what is built and which ids are overridden.

    Returns
    -------
    ConfigParser
        Nothing is built yet: `get_parsed_content(id)` builds.

    Raises
    ------
    BundleError
        When an id is missing, or anything reached would call what is not allowed.
    """
    config = {**inference, **contract.overrides, "device": "cpu"}
    config[PREPROCESSING] = _without_loading(config.get(PREPROCESSING))
    reached = {name: config[name] for name in _reached(config, roots(contract))}
    refuse_if_any([problem for name, value in reached.items() for problem in _problems(name, value)])
    names: dict[str, Any] = {}
    if not pyramid.torchvision_imports():
        reached = {name: pyramid.without_torchvision(value) for name, value in reached.items()}
        names[pyramid.GLOBAL] = pyramid.resnet_pyramid
    parser = ConfigParser(reached, globals=names)
    parser.parse()
    return parser


def _without_loading(preprocessing: Any) -> dict[str, Any]:
    transforms = preprocessing.get("transforms") if isinstance(preprocessing, dict) else None
    if not isinstance(transforms, list) or not str(preprocessing.get("_target_")).endswith("Compose"):
        text = "no Compose with a list of transforms"
        raise BundleError(Problem(INFERENCE, PREPROCESSING, text, "write one; dictionary transforms as MONAI's own"))
    return {**preprocessing, "transforms": [each for each in transforms if not _loads(each)]}


def _loads(transform: Any) -> bool:
    return isinstance(transform, dict) and str(transform.get("_target_")).rpartition(".")[2] in _LOADING


def _reached(config: Mapping[str, Any], ids: Sequence[str]) -> list[str]:
    waiting, reached = list(dict.fromkeys(ids)), []
    while waiting:
        name = waiting.pop()
        if name not in config:
            text = "no such id, and it is needed" if name in ids else "an @ names it, and there is no such id"
            raise BundleError(Problem(INFERENCE, name, text, "add it, or correct the name"))
        reached.append(name)
        for _, text in _strings(name, config[name]):
            for reference in ReferenceResolver.match_refs_pattern(text):
                top = reference.split("::")[0]
                if top not in reached and top not in waiting:
                    waiting.append(top)
    return reached


def _strings(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give every string within a value, relative references made absolute, with its id."""
    if isinstance(value, str):
        yield path, ConfigParser.resolve_relative_ids(path, value)
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(f"{path}::{key}", each)


def _problems(name: str, value: Any) -> Iterator[Problem]:
    for path, text in _strings(name, value):
        if path.endswith("::_target_"):
            yield from _problems_of_target(path, text)
        elif path.endswith("::_mode_") and text not in MODES:
            yield Problem(INFERENCE, path, f"mode {text!r} is not run", "remove this key")
        elif text.startswith("%"):
            yield Problem(INFERENCE, path, "macros (%) are not followed", "write the value here, or refer to it with @")
        elif text.startswith("$"):
            why = why_not_expression(text[1:])
            if why is not None:
                yield Problem(INFERENCE, path, why, _REMEDY_CALL)


def _problems_of_target(path: str, target: str) -> Iterator[Problem]:
    modules = ConfigParser().locator.get_component_module_name(target)
    found = modules if isinstance(modules, list) else [modules]
    for module in found:
        why = why_not_target(f"{module}.{target}" if module else target)
        if why is not None:
            yield Problem(INFERENCE, path, why, _REMEDY_CALL)
