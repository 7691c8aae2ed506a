"""A bundle as a model of the platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monai.bundle.config_parser import ConfigParser
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import ScaleIntensityRanged
from monai.transforms.spatial.dictionary import Spacingd
from monai.transforms.utility.dictionary import Transposed

from inference.bundles.boxes import Detector
from inference.bundles.candidates import CandidateReader
from inference.bundles.computing import Computing
from inference.bundles.configuration import PREPROCESSING, open_configuration
from inference.bundles.contract import CONTRACT, INFERENCE, METADATA, Boxes, Candidates
from inference.bundles.cropping import crop_to_lungs, require_lungs
from inference.bundles.folder import BundleFolder
from inference.bundles.image import prepare
from inference.bundles.networks import build, load_networks, require_filled
from inference.bundles.problems import BundleError, Problem, refuse_if_any
from inference.bundles.region import region_of
from inference.model import LocatedFinding, Opinion
from inference.resampling import straightened
from inference.running.conditions import Conditions
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

_TOLERANCE = 1e-6


class Reader(Protocol):
    """Turns a series into findings."""

    def __call__(self, volume: Volume) -> list[LocatedFinding]:
        """Return the findings."""
        ...


class BundleModel:
    """
    A model from a bundle folder.

    Parameters
    ----------
    bundle
        What `read_bundle` returned.

    Raises
    ------
    BundleError
        When it does not keep its own words; nothing is run before that is known, except what the allow-list has.
    """

    def __init__(self, bundle: BundleFolder) -> None:
        contract = bundle.contract
        self.model_id = contract.model
        self.version = bundle.metadata.version
        self.weights_digest = bundle.weights_digest
        self.operating_point = contract.operating_points[0].score
        self.scope: SeriesCriteria = contract.scope
        self._contract = contract
        parser = open_configuration(bundle.inference, contract)
        self._preprocessing = _checked_preprocessing(bundle, parser)
        self._input_name = bundle.metadata.input_name
        self.computing = Computing(load_networks(bundle, parser))
        self.silent_below = 0.0
        self._read = self._reader(parser)

    def run_under(self, conditions: Conditions) -> None:
        """Compute under these conditions from now on."""
        self.computing.run_under(conditions)

    def read(self, volume: Volume) -> Opinion:
        """
        Return what the model says of a series.

        Parameters
        ----------
        volume
            HU.

        Returns
        -------
        Opinion
            The score of the whole is that of the highest finding, 0 where nothing is marked.

        Raises
        ------
        OutOfScopeError
            Code anatomy when the lungs are asked for and there are none.
        """
        findings = sorted(self._read(straightened(volume)), key=lambda finding: finding.score, reverse=True)
        kept = tuple(findings[: self._contract.max_findings])
        return Opinion(kept[0].score if kept else 0.0, kept)

    def _reader(self, parser: ConfigParser) -> Reader:
        reading = self._contract.reading
        if isinstance(reading, Boxes):
            detector = Detector(self._contract, reading, parser, self.computing)
            require_filled(detector.network, self.computing.networks.values(), reading.detector)
            self.silent_below = detector.silent_below
            return self._box_reader(detector)
        return self._candidate_reader(reading, parser)

    def _box_reader(self, detector: Detector) -> Reader:
        def read(volume: Volume) -> list[LocatedFinding]:
            if self._contract.crop == "lungs":
                volume = crop_to_lungs(volume, require_lungs(volume))
            return detector(prepare(volume, self._preprocessing, self._input_name))

        return read

    def _candidate_reader(self, asked: Candidates, parser: ConfigParser) -> Reader:
        if asked.classifier is None:  # which else gives the scores
            self.silent_below = asked.segmenter.threshold
        inferer = build(parser, asked.segmenter.inferer) if asked.segmenter.inferer else None
        reader = CandidateReader(asked, self._contract.labels[0], self.computing, inferer)
        cropped = self._contract.crop == "lungs"

        def read(volume: Volume) -> list[LocatedFinding]:
            lungs = require_lungs(volume) if cropped or asked.near_lungs_mm is not None else None
            image = prepare(volume, self._preprocessing, self._input_name)
            return reader(image, region_of(image, volume, lungs, cropped=cropped))

        return read


def _checked_preprocessing(bundle: BundleFolder, parser: ConfigParser) -> Compose:
    compose = build(parser, PREPROCESSING)
    if not isinstance(compose, Compose):
        raise BundleError(Problem(INFERENCE, PREPROCESSING, "is no Compose", "make it monai.transforms.Compose"))
    refuse_if_any([*_problems_of_range(bundle, compose), *_problems_of_spacing(bundle, compose)])
    refuse_if_any(_problems_of_reach(bundle, compose))
    return compose


def _problems_of_reach(bundle: BundleFolder, compose: Compose) -> list[Problem]:
    """What is set for another key passes the image by in silence, where missing keys are allowed."""
    name, problems = bundle.metadata.input_name, []
    for each in compose.transforms:
        if isinstance(each, ScaleIntensityRanged | Spacingd) and name not in each.keys:
            text = (
                f"{type(each).__name__} takes {', '.join(map(str, each.keys))}, and the input of {METADATA} is {name}"
            )
            problems.append(Problem(INFERENCE, PREPROCESSING, text, "name the same key in both"))
        if isinstance(each, Transposed):
            text = "Transposed moves voxels and not their places in the patient"
            problems.append(Problem(INFERENCE, PREPROCESSING, text, "use Orientationd, or axes of the reading"))
    return problems


def _problems_of_range(bundle: BundleFolder, compose: Compose) -> list[Problem]:
    told = bundle.contract.input.hu_range
    scalers = [each.scaler for each in compose.transforms if isinstance(each, ScaleIntensityRanged)]
    if len(scalers) != 1 or not scalers[0].clip:
        text = f"{len(scalers)} ScaleIntensityRanged that clip, and {CONTRACT} says input.hu_range {list(told)}"
        return [Problem(INFERENCE, PREPROCESSING, text, "write exactly one, with clip true")]
    problems = []
    (scaler,) = scalers
    if not _same((scaler.a_min, scaler.a_max), told):
        text = f"{list(told)}, and {INFERENCE} clips to {[scaler.a_min, scaler.a_max]}"
        problems.append(Problem(CONTRACT, "input.hu_range", text, "write what the network was trained on into both"))
    value_range = bundle.metadata.image.value_range
    if value_range is not None and not _same((scaler.b_min, scaler.b_max), value_range):
        key = f"network_data_format.inputs.{bundle.metadata.input_name}.value_range"
        text = f"{list(value_range)}, and {INFERENCE} scales to {[scaler.b_min, scaler.b_max]}"
        problems.append(Problem(METADATA, key, text, "write what the network was trained on into both"))
    return problems


def _problems_of_spacing(bundle: BundleFolder, compose: Compose) -> list[Problem]:
    told = bundle.contract.input.spacing_mm
    resamplers = [each for each in compose.transforms if isinstance(each, Spacingd)]
    made = [tuple(float(side) for side in each.spacing_transform.pixdim) for each in resamplers]
    if (told is None and made) or (told is not None and not (len(made) == 1 and _same(made[0], told))):
        text = f"{list(told) if told else None}, and {INFERENCE} resamples to {[list(each) for each in made] or None}"
        return [Problem(CONTRACT, "input.spacing_mm", text, "write what the network was trained on into both")]
    return []


def _same(some: Sequence[float | None], others: Sequence[float]) -> bool:
    pairs = zip(some, others, strict=False)
    return len(some) == len(others) and all(
        a is not None and abs(a - b) <= _TOLERANCE * max(1.0, abs(b)) for a, b in pairs
    )
