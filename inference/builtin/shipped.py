"""A bundle that ships with the platform: the three files of any bundle, and weights held against their digest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference.bundles.contract import (
    CONTRACT,
    INFERENCE,
    METADATA,
    Digest,
    FindingType,
    Metadata,
    OperatingPoint,
    WeightsFile,
)
from inference.bundles.digests import file_digests, weights_digest
from inference.bundles.folder import read_json
from voorrang.errors import ConfigurationError
from voorrang.pathways.criteria import SeriesCriteria


class HeadSlices(BaseModel):
    """The answer is a logit of each upright slice of a head; the mean of the `top` highest is the series'."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["head_slices"]
    listed_from: float = Field(ge=0, le=1)
    top: int = Field(ge=1)


class LungCandidates(BaseModel):
    """The answer is a logit and a size of each candidate in the lungs; the highest are listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["lung_candidates"]
    listed_from: float = Field(ge=0, le=1)


class ShippedContract(BaseModel):
    """`configs/voorrang.json` of a shipped bundle: that of any bundle, with a reading of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str
    scope: SeriesCriteria
    labels: dict[int, FindingType] = Field(min_length=1, max_length=1)
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1)
    networks: dict[str, WeightsFile] = Field(min_length=1, max_length=1)
    sha256: dict[str, Digest]
    reading: Annotated[HeadSlices | LungCandidates, Field(discriminator="kind")]


class ShippedBundle:
    """
    A bundle of the package.

    Parameters
    ----------
    folder
        With `configs/` and `models/`.

    Raises
    ------
    ConfigurationError
        When weights are missing or others than the contract says, or a file does not keep its form.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.metadata = Metadata.model_validate(read_json(folder, METADATA))
            self.contract = ShippedContract.model_validate(read_json(folder, CONTRACT))
        except ValidationError as error:
            raise ConfigurationError(f"{folder.name}: {error.error_count()} faults in its configuration") from error
        (self._file,) = self.contract.networks.values()
        if not (folder / self._file).is_file():
            raise ConfigurationError(f"{self._file}: no weights: the model does not start; install the package again")
        digests = file_digests(folder, [METADATA, INFERENCE, CONTRACT, self._file])
        if digests[self._file] != self.contract.sha256.get(self._file):
            raise ConfigurationError(f"{self._file}: SHA-256 is {digests[self._file]}; install the package again")
        self.weights_digest = weights_digest(digests)

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights as float32."""
        kept: dict[str, Any] = torch.load(self._folder / self._file, weights_only=True, map_location="cpu")
        return {name: value.float() if value.is_floating_point() else value for name, value in kept.items()}


class ShippedModel:
    """
    What every model of the package says of itself: as its contract has it.

    Parameters
    ----------
    bundle
        Its weights held against their digest.
    """

    def __init__(self, bundle: ShippedBundle) -> None:
        contract = bundle.contract
        self.model_id = contract.model
        self.version = bundle.metadata.version
        self.weights_digest = bundle.weights_digest
        self.operating_point = contract.operating_points[0].score
        self.scope = contract.scope
        self._label = contract.labels[0]
        self._listed_from = contract.reading.listed_from
