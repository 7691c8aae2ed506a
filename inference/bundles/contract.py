"""
What a bundle promises, as data: `configs/metadata.json` in MONAI's form, and `configs/voorrang.json` beside it.

MONAI's metadata names inputs and outputs of a network. It does not say which series the network is for, what its labels
mean to a reader, or from which score a series is flagged; that is in the second file. Reading them imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from voorrang.pathways.criteria import SeriesCriteria
from voorrang.statement import Shows

METADATA = "configs/metadata.json"
INFERENCE = "configs/inference.json"
CONTRACT = "configs/voorrang.json"

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
NAME_RULE = "small letters, digits, - and _, a letter first"

FindingType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
WeightsFile = Annotated[str, StringConstraints(pattern=r"^models/[A-Za-z0-9_][A-Za-z0-9_.-]*\.(pt|pth|ts)$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Axes = Literal["xyz", "zyx"]
Activation = Literal["none", "sigmoid", "softmax"]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImageFormat(_Lenient):
    """An input of the network, as MONAI's metadata has it."""

    type: Literal["image"]
    modality: str
    num_channels: Literal[1]
    value_range: tuple[float, float] | None = None
    is_patch_data: bool = False


class NetworkDataFormat(_Lenient):
    """Inputs and outputs of the network."""

    inputs: dict[str, ImageFormat] = Field(min_length=1, max_length=1)
    outputs: dict[str, dict[str, Any]] = Field(min_length=1)


class Metadata(_Lenient):
    """The part of MONAI's metadata that is relied on."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}$")
    task: str = ""
    intended_use: str = Field(min_length=1)
    network_data_format: NetworkDataFormat

    @property
    def input_name(self) -> str:
        """Key of the image in the network's input."""
        return next(iter(self.network_data_format.inputs))

    @property
    def image(self) -> ImageFormat:
        """The one input."""
        return self.network_data_format.inputs[self.input_name]


class InputContract(_Part):
    """
    What the preprocessing makes of a series.

    Spacing (x, y, z) in mm, None where the network takes the series at its own; HU to which intensities are clipped.
    """

    spacing_mm: tuple[float, float, float] | None
    hu_range: tuple[float, float]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.hu_range[0] >= self.hu_range[1]:
            raise ValueError("hu_range: the lower bound comes first")
        if self.spacing_mm is not None and min(self.spacing_mm) <= 0:
            raise ValueError("spacing_mm: lengths are above 0")
        return self


class OperatingPoint(_Part):
    """A score from which a series is flagged, and what the maker says that it gives; the first is its own choice."""

    score: float = Field(ge=0, le=1)
    sensitivity: float | None = Field(default=None, ge=0, le=1)
    specificity: float | None = Field(default=None, ge=0, le=1)
    false_positives_per_scan: float | None = Field(default=None, ge=0)
    source: str = ""


class Boxes(_Part):
    """The answer is boxes: a detector of `monai.apps.detection`, by the ids that it has in `configs/inference.json`."""

    kind: Literal["boxes"]
    detector: str = "detector"
    setup: str | None = "detector_ops"


class Segmenter(_Part):
    """
    A network that marks voxels.

    Parameters
    ----------
    network
        Its name in `networks`.
    slices
        Odd number of neighbouring axial slices that it takes as channels; None: it takes volumes, through `inferer`.
    inferer
        Id in `configs/inference.json` of what cuts volumes into windows; None: the whole at once.
    axes
        Order of the axes of a volume.
    divisible
        Sides of what it takes are multiples of this; padded with the lower end of the HU range.
    activation, channel, threshold
        Voxels are marked where this channel, after this activation, is above the threshold.
    """

    network: str
    slices: int | None = Field(default=None, ge=1)
    inferer: str | None = None
    axes: Axes = "xyz"
    divisible: int = Field(default=1, ge=1)
    activation: Activation = "none"
    channel: int = Field(default=0, ge=0)
    threshold: float = Field(default=0.5, ge=0, le=1)

    @field_validator("slices")
    @classmethod
    def _odd(cls, slices: int | None) -> int | None:
        if slices is not None and slices % 2 == 0:
            raise ValueError("an odd number: the slice itself and as many on both sides")
        return slices


class Classifier(_Part):
    """A network that judges the voxels around a candidate; `patch` is their number along each of `axes`."""

    network: str
    patch: tuple[int, int, int]
    axes: Axes = "xyz"
    activation: Activation = "none"
    channel: int = Field(default=0, ge=0)


class Candidates(_Part):
    """
    The answer is marked voxels, joined to candidates, each judged by a second network where there is one.

    Parameters
    ----------
    segmenter, classifier
        Without a classifier the score of a candidate is the highest of its voxels.
    erode
        How often the marked voxels are eroded by one before they are joined.
    min_voxels
        Smaller candidates are left out.
    near_lungs_mm
        Candidates further than this from the air of the lungs are left out; None: none is.
    """

    kind: Literal["candidates"]
    segmenter: Segmenter
    classifier: Classifier | None = None
    erode: int = Field(default=0, ge=0)
    min_voxels: int = Field(default=1, ge=1)
    near_lungs_mm: float | None = Field(default=None, ge=0)


class Contract(_Part):
    """
    `configs/voorrang.json`: what the platform must know beyond MONAI's metadata.

    Parameters
    ----------
    model
        Name of the model, by which pathways ask for it.
    scope
        Intended use as data: the gate in front of the model.
    labels
        Finding type of each label of the network.
    networks
        Weights of each network: `.ts` is TorchScript; `.pt` a state dict for the id of that name in
        `configs/inference.json`.
    sha256
        Digest of files of weights, where the maker tells it.
    overrides
        Values put in the place of ids of `configs/inference.json`, as MONAI's own command line does.
    crop
        The part of the series that is computed.
    max_findings
        The highest scores are kept.
    shows
        What readers see of it: nothing but the flag, unless its maker allows more.
    """

    model: str = Field(pattern=NAME_PATTERN)
    scope: SeriesCriteria
    input: InputContract
    labels: dict[int, FindingType] = Field(min_length=1)
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1)
    networks: dict[str, WeightsFile] = Field(min_length=1)
    sha256: dict[str, Digest] = {}
    overrides: dict[str, str | float | bool | list[float] | None] = {}
    crop: Literal["lungs"] | None = None
    max_findings: int = Field(default=100, ge=1)
    shows: Shows = Shows.FLAG
    reading: Annotated[Boxes | Candidates, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _networks_are_there(self) -> Self:
        if isinstance(self.reading, Candidates):
            asked = [self.reading.segmenter.network]
            asked += [self.reading.classifier.network] if self.reading.classifier else []
            for name in asked:
                if name not in self.networks:
                    raise ValueError(f"reading asks for network {name!r}, which `networks` lacks")
            if len(self.labels) != 1:
                raise ValueError("candidates are of one finding type: labels has one entry")
        for file in self.sha256:
            if file not in self.networks.values():
                raise ValueError(f"sha256 names {file!r}, which `networks` lacks")
        return self
