"""The published detector: its configuration builds, its boxes land where they should, its numbers stay numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.apps.detection.transforms.dictionary import (
    AffineBoxToWorldCoordinated,
    ClipBoxToImaged,
    ConvertBoxModed,
)
from monai.data.meta_tensor import MetaTensor
from torch import nn

from inference.bundles import pyramid
from inference.bundles.boxes import Detector
from inference.bundles.computing import Computing, NotFiniteError
from inference.bundles.configuration import open_configuration
from inference.bundles.contract import Boxes
from inference.bundles.folder import BundleFolder, known_contract, read_bundle
from inference.bundles.image import Image
from inference.bundles.model import BundleModel
from inference.bundles.problems import BundleError
from inference.running.conditions import Conditions
from inference.volume import Volume
from tests.unit.inference.bundles.published import make_published_bundle
from voorrang.dicom.headers import Vector

PARAMETERS = 20_902_741  # counted in the network that MONAI itself builds beside torchvision


def known_values(folder: Path) -> dict[str, Any]:
    text = known_contract(folder)
    assert text is not None
    values: dict[str, Any] = json.loads(text)
    return values


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> BundleFolder:
    """The published bundle as it is, with our contract for it, uncropped."""
    folder = make_published_bundle(tmp_path_factory.mktemp("published") / "lung_nodule_ct_detection")
    (folder / "configs" / "voorrang.json").write_text(json.dumps(known_values(folder) | {"crop": None}))
    return read_bundle(folder)


@pytest.fixture(scope="module")
def model(bundle: BundleFolder) -> BundleModel:
    return BundleModel(bundle)


def make_noise(steps: Sequence[Vector] = ((0, 0, 1.25), (0, 0.8, 0), (0.8, 0, 0))) -> Volume:
    voxels = np.random.default_rng(0).normal(-500, 300, (20, 72, 80)).astype(np.float32)
    return Volume(voxels, (1.0, 2.0, 3.0), *steps)


def test_published_network_is_built_and_filled(model: BundleModel) -> None:
    network = model.computing.networks["network"]
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS
    names = network.state_dict()
    assert "feature_extractor.body.layer2.3.conv3.weight" in names
    assert not any(name.startswith("feature_extractor.body.layer3") for name in names)
    assert "feature_extractor.fpn.inner_blocks.0.weight" in names or any(
        name.startswith("feature_extractor.fpn.inner_blocks.0") for name in names
    )


def test_random_weights_give_boxes_within_the_series(model: BundleModel) -> None:
    volume = make_noise()
    opinion = model.read(volume)
    assert 0 < len(opinion.findings) <= 100
    assert {finding.type for finding in opinion.findings} == {"lung_nodule"}
    scores = [finding.score for finding in opinion.findings]
    assert scores == sorted(scores, reverse=True)
    assert opinion.score == scores[0] <= 1
    corners = np.array([finding.box_mm for finding in opinion.findings])
    low, high = np.array(volume.to_patient_mm((0, 0, 0))), np.array(volume.to_patient_mm((20, 72, 80)))
    assert (corners >= low - 1.25).all()
    assert (corners <= high + 1.25).all()


class OneAnchor(nn.Module):
    """Stands for the network: sure of one anchor of the finest level, and of no other."""

    spatial_dims, num_classes, num_anchors, size_divisible = 3, 1, 3, (16, 16, 8)
    cls_key, box_reg_key = "classification", "box_regression"

    def __init__(self, at: tuple[int, int, int], logit: float = 6.0) -> None:
        super().__init__()
        self.at, self.logit = at, logit

    def forward(self, images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        """Return maps of three levels."""
        sizes = [
            [-(-side // step) for side, step in zip(images.shape[2:], (4 * k, 4 * k, 2 * k), strict=True)]
            for k in (1, 2, 4)
        ]
        scores = [torch.full((1, 3, *size), -20.0) for size in sizes]
        scores[0][(0, 0, *self.at)] = self.logit
        return {self.cls_key: scores, self.box_reg_key: [torch.zeros(1, 18, *size) for size in sizes]}


@pytest.fixture(scope="module")
def detector(bundle: BundleFolder) -> Detector:
    """The published detector, whose network each test replaces."""
    parser = open_configuration(bundle.inference, bundle.contract)
    return Detector(bundle.contract, Boxes(kind="boxes"), parser, Computing({}))


@pytest.mark.parametrize("at", [(5, 9, 3), (0, 0, 0), (15, 12, 7)])
def test_box_lands_where_monai_puts_it(detector: Detector, at: tuple[int, int, int]) -> None:
    """MONAI's own postprocessing of the published bundle is the second opinion."""
    affine = np.array([[-0.7, 0.0, 0.1, 30.0], [0.0, -0.69, 0.0, -12.0], [0.0, 0.05, 1.25, 100.0], [0, 0, 0, 1.0]])
    image = Image(torch.zeros(1, 64, 56, 16), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    detector.replace_network(OneAnchor(at))
    (finding,) = detector(image)

    raw = detector.raw(image)
    data: Any = {**raw, "image": MetaTensor(image.voxels, affine=torch.from_numpy(affine))}
    data["image_meta_dict"] = {"affine": torch.from_numpy(affine)}
    data = ClipBoxToImaged("box", "label", "image", remove_empty=True)(data)
    data = AffineBoxToWorldCoordinated("box", "image", affine_lps_to_ras=True)(data)
    (row,) = np.asarray(ConvertBoxModed("box", src_mode="xyzxyz", dst_mode="cccwhd")(data)["box"])
    assert finding.position_mm is not None
    # AffineBoxToWorldCoordinated keeps boxes upright, so under a shear only the middle is the same.
    assert finding.position_mm == pytest.approx(tuple(row[:3]), abs=1e-2)
    assert finding.score == pytest.approx(1 / (1 + np.exp(-6.0)), abs=1e-6)


class Half(OneAnchor):
    """Answers in half a precision, in which an index of 300 is known to two voxels."""

    def forward(self, images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        """Return maps of three levels."""
        return {name: [each.bfloat16() for each in levels] for name, levels in super().forward(images).items()}


def test_half_precision_moves_no_box(detector: Detector) -> None:
    image = Image(torch.zeros(1, 336, 64, 16), np.eye(4))
    detector.replace_network(OneAnchor((75, 9, 3)))
    (expected,) = detector(image)
    detector.replace_network(Half((75, 9, 3)))
    (found,) = detector(image)
    assert found.box_mm == expected.box_mm
    assert found.position_mm == expected.position_mm


def test_logits_that_are_no_numbers_are_an_error_and_never_negative(detector: Detector) -> None:
    detector.replace_network(OneAnchor((5, 9, 3), float("nan")))
    with pytest.raises(NotFiniteError):
        detector(Image(torch.zeros(1, 64, 64, 16), np.eye(4)))


@pytest.mark.parametrize(
    ("share", "windows"),
    [(1.0, [(96, 96, 24)]), (0.25, [(96, 96, 24)]), (0.002, [(64, 64, 24)] * 4)],  # 0.002 ** (1 / 3) * 512 is 64.5
)
def test_windows_are_smaller_when_memory_is_short(
    share: float, windows: list[tuple[int, ...]], bundle: BundleFolder, detector: Detector
) -> None:
    sizes: list[tuple[int, ...]] = []
    network = OneAnchor((5, 9, 3))
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    detector.replace_network(network)
    detector.run_under(Conditions(window_share=share))
    assert detector(Image(torch.zeros(1, 82, 91, 20), np.eye(4)))
    detector.run_under(Conditions())
    assert sizes == windows


def test_labels_that_the_network_lacks_are_named(bundle: BundleFolder, tmp_path: Path) -> None:
    folder = make_published_bundle(tmp_path / "b")
    values = known_values(folder) | {"labels": {"0": "lung_nodule", "1": "lung_mass"}}
    (folder / "configs" / "voorrang.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match=r"^configs/voorrang.json: labels: 2 labels; detector of .* has 1; give each"):
        BundleModel(read_bundle(folder))


def test_pyramid_gives_the_stages_of_the_backbone_through_monais_pyramid() -> None:
    from monai.networks.nets.resnet import resnet18

    backbone = resnet18(spatial_dims=3, n_input_channels=1).eval()
    extractor = pyramid.resnet_pyramid(backbone, 3, returned_layers=[1, 3]).eval()
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        stem = backbone.maxpool(backbone.act(backbone.bn1(backbone.conv1(x))))
        first = backbone.layer1(stem)
        third = backbone.layer3(backbone.layer2(first))
        expected = extractor.fpn({"0": first, "1": third})
        got = extractor(x)
    assert list(got) == ["0", "1", "pool"]
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert {each.shape[1] for each in got.values()} == {pyramid.CHANNELS}


def test_expression_of_the_pyramid_is_ours_only_where_torchvision_is_missing() -> None:
    asked = (
        "$monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor(@backbone,3,False,[1,2],None)"
    )
    assert pyramid.without_torchvision(asked) == "$resnet_pyramid(@backbone,3,False,[1,2],None)"
    assert pyramid.without_torchvision({"_target_": "RetinaNet"}) == {"_target_": "RetinaNet"}
