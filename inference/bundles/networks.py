"""Networks with their weights: TorchScript, or a state dict for a network that the configuration builds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle.config_parser import ConfigParser
from torch import nn

from inference.bundles.contract import CONTRACT, INFERENCE
from inference.bundles.folder import BundleFolder
from inference.bundles.problems import BundleError, Problem

_WRAPPINGS = ("model", "state_dict", "network")


def build(parser: ConfigParser, name: str) -> Any:
    """
    Build an id of the configuration with all that it refers to.

    Raises
    ------
    BundleError
        When what it asks for cannot be made so.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that a default of MONAI has changed is no news to a site
            return parser.get_parsed_content(name)
    except Exception as error:  # whatever MONAI raises: the model is refused, with the remedy
        text = f"cannot be built ({_root_cause(error)})"
        raise BundleError(Problem(INFERENCE, name, text, "correct its arguments")) from error


def load_networks(bundle: BundleFolder, parser: ConfigParser) -> dict[str, nn.Module]:
    """
    Load every network of a bundle, ready to compute on the CPU.

    Raises
    ------
    BundleError
        When a file holds no weights, or weights of another network.
    """
    return {name: _network(bundle, parser, name, file) for name, file in bundle.contract.networks.items()}


def require_filled(network: nn.Module, filled: Iterable[nn.Module], name: str) -> None:
    """
    Check that what computes has its weights from the files: what a network is made with is random, and finds nothing.

    Parameters
    ----------
    network
        What computes.
    filled
        What `load_networks` returned.
    name
        Id of what computes with it.

    Raises
    ------
    BundleError
        When any of its weights are in none of them.
    """
    known = {id(each) for other in filled for each in _weights(other)}
    weights = _weights(network)
    n = sum(id(each) not in known for each in weights)
    if n:
        text = f"{name} of {INFERENCE} has {len(weights)} weights, {n} of them weights that no file fills"
        remedy = "name the id of its network, with a state dict (.pt)"
        raise BundleError(Problem(CONTRACT, "networks", text, remedy))


def _weights(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]


def _network(bundle: BundleFolder, parser: ConfigParser, name: str, file: str) -> nn.Module:
    path = bundle.folder / file
    if path.suffix == ".ts":
        network = _torchscript(path, file)
    else:
        network = build(parser, name)
        if not isinstance(network, nn.Module):
            text = f"is a {type(network).__name__}, no network"
            raise BundleError(Problem(INFERENCE, name, text, "make it one of torch.nn.Module"))
        _fill(network, _state_dict(path, file), file, name)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    return network


def _torchscript(path: Path, file: str) -> nn.Module:
    try:
        with warnings.catch_warnings():
            # torch asks for torch.export instead, whose files are tied to a version of torch and to shapes.
            warnings.simplefilter("ignore", DeprecationWarning)
            module: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a damaged file raises: the model is refused, with the remedy
        raise BundleError(Problem(file, "", "no TorchScript", "save the network with torch.jit.save")) from error
    return module


def _state_dict(path: Path, file: str) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of old pickles; they are refused
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a text that is no pickle raises anything: the model is refused
        text = "no weights that load without running code of the file"
        raise BundleError(
            Problem(file, "", text, "save the state dict alone: torch.save(network.state_dict(), ...)")
        ) from error
    for key in _WRAPPINGS:
        if isinstance(values, Mapping) and isinstance(values.get(key), Mapping):
            values = values[key]
    if not isinstance(values, Mapping) or not all(isinstance(each, torch.Tensor) for each in values.values()):
        text = f"a {type(values).__name__} and no state dict"
        raise BundleError(Problem(file, "", text, "save the state dict alone: torch.save(network.state_dict(), ...)"))
    return values


def _fill(network: nn.Module, values: Mapping[str, Any], file: str, name: str) -> None:
    wanted = network.state_dict()
    wrong = [f"{key} is missing" for key in wanted if key not in values]
    wrong += [f"{key} is too much" for key in values if key not in wanted]
    wrong += [
        f"{key} is {tuple(values[key].shape)} and not {tuple(wanted[key].shape)}"
        for key in wanted
        if key in values and values[key].shape != wanted[key].shape
    ]
    if wrong:
        text = f"{len(wrong)} of its weights do not fit {name} of {INFERENCE}: {'; '.join(wrong[:2])}"
        raise BundleError(Problem(file, "", text, "take the weights and the configuration of one release"))
    try:
        network.load_state_dict(values)
    except RuntimeError as error:
        text = f"its weights cannot be taken over ({type(error).__name__})"
        raise BundleError(Problem(file, "", text, "save them as dense tensors of numbers")) from error


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return text[:200]
