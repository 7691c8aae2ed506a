"""
The feature pyramid of MONAI's RetinaNet where torchvision does not import.

MONAI takes one small helper from torchvision for it, and the wheels of torchvision do not import beside every build of
torch. Names and order of the weights are those of MONAI's own, so published weights load.

References: Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
from monai.networks.nets.resnet import ResNet
from torch import Tensor, nn

GLOBAL = "resnet_pyramid"
CHANNELS = 256
_MONAI_NAME = "monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor"


def torchvision_imports() -> bool:
    """Tell whether torchvision imports beside the torch at hand."""
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError, OSError):  # a build for another torch raises RuntimeError or OSError
        return False
    return True


def without_torchvision(value: Any) -> Any:
    """Return an item of a configuration whose expression asks for MONAI's pyramid, asking for ours instead."""
    return value.replace(_MONAI_NAME, GLOBAL) if isinstance(value, str) and value.startswith("$") else value


class Stages(nn.ModuleDict):
    """The stages of a network up to the last that is asked for; gives the output of each that is."""

    def __init__(self, backbone: nn.Module, wanted: Sequence[str]) -> None:
        stages: dict[str, nn.Module] = {}
        left = set(wanted)
        for name, stage in backbone.named_children():
            if not left:
                break
            stages[name] = stage
            left.discard(name)
        super().__init__(stages)
        self._wanted = tuple(wanted)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the output of each stage that was asked for, by "0", "1", ... in their order."""
        outputs: dict[str, Tensor] = {}
        for name, stage in self.items():
            x = stage(x)
            if name in self._wanted:
                outputs[str(self._wanted.index(name))] = x
        return outputs


class ResnetPyramid(nn.Module):
    """A ResNet and the pyramid on its stages, finest level first."""

    def __init__(self, backbone: ResNet, spatial_dims: int, layers: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = CHANNELS
        finest = backbone.in_planes // 8  # channels of layer 1; each next layer doubles them
        self.body = Stages(backbone, [f"layer{layer}" for layer in layers])
        self.fpn = FeaturePyramidNetwork(
            spatial_dims=spatial_dims,
            in_channels_list=[finest * 2 ** (layer - 1) for layer in layers],
            out_channels=CHANNELS,
            extra_blocks=LastLevelMaxPool(spatial_dims),
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the feature maps, finest first."""
        levels: dict[str, Tensor] = self.fpn(self.body(x))
        return levels


def resnet_pyramid(
    backbone: ResNet,
    spatial_dims: int,
    pretrained_backbone: bool = False,
    returned_layers: Sequence[int] = (1, 2, 3),
    trainable_backbone_layers: int | None = None,
) -> ResnetPyramid:
    """
    Make what `monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor` makes.

    Parameters
    ----------
    backbone
        A ResNet of MONAI.
    spatial_dims
        2 or 3.
    pretrained_backbone
        Of training only, as `trainable_backbone_layers`.
    returned_layers
        Layers, 1 to 4, whose outputs make levels; one coarser level is added.
    trainable_backbone_layers
        Of training only.
    """
    del pretrained_backbone, trainable_backbone_layers
    return ResnetPyramid(backbone, spatial_dims, returned_layers)
