"""Findings from a detector of `monai.apps.detection`: boxes on the preprocessed image, scored and labelled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.bundle.config_parser import ConfigParser
from monai.inferers.inferer import SlidingWindowInferer
from torch import nn

from inference.bundles.computing import Computing, in_float32
from inference.bundles.contract import CONTRACT, INFERENCE, Boxes, Contract
from inference.bundles.image import Image, Points
from inference.bundles.networks import build
from inference.bundles.problems import BundleError, Problem
from inference.bundles.windows import window_of, windowed
from inference.model import LocatedFinding
from inference.running.conditions import Conditions


class Detector:
    """
    Reads boxes.

    Parameters
    ----------
    contract
        Has the labels.
    asked
        Names the detector.
    parser
        Builds it.
    computing
        Of its network.
    """

    def __init__(self, contract: Contract, asked: Boxes, parser: ConfigParser, computing: Computing) -> None:
        self._detector = _build(parser, asked)
        if self._detector.num_classes != len(contract.labels):
            text = f"{len(contract.labels)} labels; {asked.detector} of {INFERENCE} has {self._detector.num_classes}"
            raise BundleError(Problem(CONTRACT, "labels", text, "give each class of the network its finding type"))
        self._labels, self._computing = contract.labels, computing
        self._inferer = self._detector.inferer
        in_float32(self._detector.network)

    @property
    def network(self) -> nn.Module:
        """What computes."""
        network: nn.Module = self._detector.network
        return network

    @property
    def silent_below(self) -> float:
        """The score that a box must have to be kept."""
        return float(self._detector.box_selector.score_thresh)

    def replace_network(self, network: nn.Module) -> None:
        """Put another network in the place of the bundle's: one that was compiled, or one that says what it is told."""
        self._detector.network = network.eval()
        in_float32(network)

    def __call__(self, image: Image) -> list[LocatedFinding]:
        """
        Return what the detector marks.

        Boxes are cut at the edges of the image; what is left without a voxel is not given.
        """
        detector, found = self._detector, self.raw(image)
        keys = (detector.target_box_key, detector.pred_score_key, detector.target_label_key)
        columns = [found[key].double().cpu().numpy() for key in keys]
        return [
            finding
            for box, score, label in zip(*columns, strict=True)
            if (finding := _finding(image, box, float(score), self._labels[int(label)])) is not None
        ]

    def run_under(self, conditions: Conditions) -> None:
        """Compute under these conditions from now on."""
        self._computing.run_under(conditions)

    def raw(self, image: Image) -> dict[str, torch.Tensor]:
        """Return boxes, scores and labels as the detector gives them, in voxels of the image."""
        detector = self._detector
        detector.inferer = self._adapted(image)
        with self._computing.active():
            (found,) = detector([image.voxels.to(self._computing.device)], use_inferer=detector.inferer is not None)
        return dict(found)

    def _adapted(self, image: Image) -> SlidingWindowInferer | None:
        """Return what cuts the image into windows, smaller ones when memory is short; None when it is one window."""
        inferer, multiple = self._inferer, self._detector.size_divisible
        padded = [-(-side // m) * m for side, m in zip(image.shape, multiple, strict=True)]
        window = window_of(inferer, padded)
        if window is None or inferer is None:
            return None
        window = self._computing.smaller(window, multiple)
        if math.prod(image.shape) <= math.prod(window):
            return None
        return windowed(inferer, self._computing.device, window)


def _build(parser: ConfigParser, asked: Boxes) -> RetinaNetDetector:
    detector: Any = build(parser, asked.detector)
    if not isinstance(detector, RetinaNetDetector):
        text = f"is a {type(detector).__name__}; boxes come from a RetinaNetDetector"
        raise BundleError(Problem(INFERENCE, asked.detector, text, "correct its _target_"))
    if detector.spatial_dims != 3:
        text = f"has {detector.spatial_dims} spatial dimensions; series have 3"
        raise BundleError(Problem(INFERENCE, asked.detector, text, "take a network for volumes"))
    if asked.setup is not None:
        build(parser, asked.setup)
    detector.eval()
    return detector


def _finding(image: Image, box: Points, score: float, kind: str) -> LocatedFinding | None:
    """`box` is (x, y, z, x, y, z), its lower and its upper corner (MONAI's StandardMode)."""
    low = np.clip(box[:3], 0, image.shape)
    high = np.clip(box[3:], 0, image.shape)
    if not (high > low).all():
        return None
    sides = (high - low) * image.spacing_mm
    return LocatedFinding(
        type=kind,
        score=score,
        position_mm=image.position_mm((low + high) / 2),
        diameter_mm=round(float(sides.mean()), 1),
        box_mm=image.box_mm(low, high),
    )
