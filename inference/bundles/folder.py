"""A bundle folder, read and held against its own words; nothing of it runs here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from inference.bundles.contract import CONTRACT, INFERENCE, METADATA, Contract, Metadata
from inference.bundles.digests import file_digests, weights_digest
from inference.bundles.problems import BundleError, Problem, refuse_if_any

_REMEDIES = {"missing": "add this key", "extra_forbidden": "remove this key, or correct its name"}
_KNOWN_TASKS = {"CT lung nodule detection": "lung_nodule_ct_detection.json"}

Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """
    A bundle that keeps its own words.

    Parameters
    ----------
    folder
        Where it lies.
    metadata, contract
        What it promises.
    inference
        `configs/inference.json`, as written.
    digests
        SHA-256 of each file that the model is made of, by relative path.
    """

    folder: Path
    metadata: Metadata
    contract: Contract
    inference: dict[str, Any]
    digests: dict[str, str]

    @property
    def weights_digest(self) -> str:
        """Digest of weights and configuration together."""
        return weights_digest(self.digests)


def read_bundle(folder: Path) -> BundleFolder:
    """
    Read a bundle folder and check that its parts agree.

    Parameters
    ----------
    folder
        With `configs/metadata.json`, `configs/inference.json`, `configs/voorrang.json` and the files of weights.

    Raises
    ------
    BundleError
        With one line for each thing that is wrong.
    """
    metadata = _checked(Metadata, METADATA, read_json(folder, METADATA))
    inference = read_json(folder, INFERENCE)
    contract = _checked(Contract, CONTRACT, read_json(folder, CONTRACT))
    refuse_if_any(_contradictions(metadata, contract, inference))
    refuse_if_any(_missing_weights(folder, contract))
    digests = file_digests(folder, [METADATA, INFERENCE, CONTRACT, *set(contract.networks.values())])
    refuse_if_any(_wrong_weights(contract, digests))
    return BundleFolder(folder, metadata, contract, inference, digests)


def known_contract(folder: Path) -> str | None:
    """Return our own contract for a published bundle that brings none, by the task in its metadata; else None."""
    if (folder / CONTRACT).is_file():
        return None
    name = _KNOWN_TASKS.get(str(read_json(folder, METADATA).get("task")))
    if name is None:
        return None
    return (resources.files("inference.bundles") / "known" / name).read_text(encoding="utf-8")


def missing(file: str, folder: Path) -> BundleError:
    """Return the error that says that a file of a bundle is not there."""
    return BundleError(Problem(file, "", f"not in {folder}", "write it; docs/bring-your-own-model.md has an example"))


def read_json(folder: Path, file: str) -> dict[str, Any]:
    """
    Read a JSON file of a bundle.

    Raises
    ------
    BundleError
        When it is missing, or holds anything else than one JSON object.
    """
    try:
        values = json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise missing(file, folder) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(Problem(file, "", f"cannot be read ({error})", "save it as a UTF-8 text file")) from error
    except json.JSONDecodeError as error:
        raise BundleError(Problem(file, f"line {error.lineno}", f"not JSON: {error.msg}", "mend it there")) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        text = f"cannot be read ({type(error).__name__})"
        raise BundleError(Problem(file, "", text, "take the file of its maker again")) from error
    if not isinstance(values, dict):
        raise BundleError(Problem(file, "", "holds no JSON object", "begin it with {"))
    return values


def _checked(kind: type[Checked], file: str, values: dict[str, Any]) -> Checked:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        inner = {each["loc"][:-2] for each in found}  # a list whose items are wrong is said to be too short as well
        told = [each for each in found if each["type"] != "too_short" or each["loc"] not in inner]
        raise BundleError(*(_problem(file, dict(each)) for each in told)) from error


def _problem(file: str, error: dict[str, Any]) -> Problem:
    key = ".".join(map(str, error["loc"]))
    got = "" if isinstance(error["input"], dict) else f" (got {json.dumps(error['input'], default=str)[:60]})"
    remedy = _REMEDIES.get(error["type"], "correct this value")
    return Problem(file, key, f"{error['msg'].removeprefix('Value error, ')}{got}", remedy)


def _contradictions(metadata: Metadata, contract: Contract, inference: dict[str, Any]) -> list[Problem]:
    problems = []
    if metadata.image.modality != contract.scope.modality:
        text = f"{contract.scope.modality} is asked, and {METADATA} says {metadata.image.modality}"
        problems.append(Problem(CONTRACT, "scope.modality", text, "make both name the modality that it was trained on"))
    if sorted(contract.labels) != list(range(len(contract.labels))):
        text = f"labels {sorted(contract.labels)} leave a number out"
        problems.append(Problem(CONTRACT, "labels", text, "number them from 0 without a gap"))
    problems += [
        Problem(CONTRACT, f"overrides.{key}", f"{INFERENCE} has no such id", "remove this key, or correct its name")
        for key in contract.overrides
        if key not in inference
    ]
    return problems


def _missing_weights(folder: Path, contract: Contract) -> list[Problem]:
    return [
        Problem(file, "", f"no weights for network {name}: the model does not start", "put the file of its maker there")
        for name, file in contract.networks.items()
        if not (folder / file).is_file() or (folder / file).stat().st_size == 0
    ]


def _wrong_weights(contract: Contract, digests: dict[str, str]) -> list[Problem]:
    return [
        Problem(file, "", f"SHA-256 is {digests[file]}, {CONTRACT} says {told}", "get the file of its maker again")
        for file, told in contract.sha256.items()
        if digests[file] != told
    ]
