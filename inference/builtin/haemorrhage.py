"""The trained model for intracranial haemorrhage on head CT without contrast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from inference.builtin.activation_map import activation_map, strongest_place
from inference.builtin.axial import Slabs, in_slabs
from inference.builtin.cards import FOLDER
from inference.builtin.head_slices import Frames, Mask, as_channels, find_frames, lookup, upright
from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.builtin.series_score import probability, series_logit, smoothed_along_z
from inference.builtin.shipped import HeadSlices, ShippedBundle, ShippedModel
from inference.model import LocatedFinding, Opinion
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Box, Volume
from voorrang.errors import ConfigurationError

_BATCH = 8
_MIN_HEAD_SHARE = 0.5  # of the slabs
_AIR_HU = -15.0
# Within the outline seven heads have 1 to 7 % of air and 22 to 33 % of bone, three chests 11 to 36 % and 6 to 10 %.
_MAX_AIR_SHARE, _MIN_BONE_SHARE = 0.08, 0.13
_BONE_OF_BRIGHTEST = 0.94  # where a window has cut, bone is whatever is brightest


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the network said of each slab: maps (n, 112, 14, 14), heads (n, 224, 224) and logits (n,)."""

    frames: Frames
    maps: torch.Tensor
    heads: Mask
    logits: npt.NDArray[np.float64]


class Haemorrhage(ShippedModel):
    """
    Score a head CT for blood inside the skull, of any of five types, and mark the slice that speaks loudest.

    Its card, docs/models/ich.md, says on what it was trained and what was measured. Research. Not CE-marked. Not for
    clinical use.

    Parameters
    ----------
    folder
        Of the bundle; None: the one that ships.

    Raises
    ------
    ConfigurationError
        When its weights are missing, or not those of its contract.
    """

    def __init__(self, folder: Path | None = None) -> None:
        bundle = ShippedBundle(folder or FOLDER / "ich")
        super().__init__(bundle)
        reading = bundle.contract.reading
        if not isinstance(reading, HeadSlices):
            raise ConfigurationError(f"{reading.kind} is read by another model than this, which reads head slices")
        self._top = reading.top
        self._first, self._last = networks(bundle.weights())

    def read(self, volume: Volume) -> Opinion:
        """
        Read one volume.

        Parameters
        ----------
        volume
            A head CT without contrast, or a part of one, from three slices on.

        Returns
        -------
        Opinion
            The score is the logistic function of the mean of the highest logits, smoothed along z; the bundle says
            of how many. At most one
            finding, with a box around what speaks for it, where the score is not below the least that is listed.

        Raises
        ------
        OutOfScopeError
            When no head is there (code `anatomy`).
        """
        slabs = in_slabs(volume)
        answer = self._answer(slabs)
        smoothed = smoothed_along_z(answer.logits)
        score = float(probability(series_logit(smoothed, self._top)))
        if score < self._listed_from:
            return Opinion(score, ())
        return Opinion(score, (self._finding(slabs, answer, int(smoothed.argmax()), score),))

    def _answer(self, slabs: Slabs) -> _Answer:
        frames = find_frames(slabs.window_hu, slabs.volume.spacing_mm[1] / slabs.volume.spacing_mm[2])
        _require_head(frames)
        maps, heads, logits = [], [], []
        for start in range(0, len(slabs.window_hu), _BATCH):
            pairs = [upright(frames, k) for k in range(start, min(start + _BATCH, len(slabs.window_hu)))]
            given = torch.from_numpy(np.stack([as_channels(*pair) for pair in pairs]))
            with torch.inference_mode():
                maps.append(self._first(given.contiguous(memory_format=torch.channels_last)))
                logits.append(self._last.bleed_logits(maps[-1]))
            heads += [head for _, head in pairs]
        values = torch.cat(logits).numpy().astype(np.float64)
        if not np.isfinite(values).all():
            raise ArithmeticError("the network gave a logit that is no number")
        return _Answer(frames, torch.cat(maps), np.stack(heads), values)

    def _finding(self, slabs: Slabs, answer: _Answer, k: int, score: float) -> LocatedFinding:
        place = strongest_place(activation_map(self._last, answer.maps[k : k + 1]), answer.heads[k])
        if place is None:
            return LocatedFinding(self._label, score, None, None)
        middle = slabs.position_mm(k, *_in_volume(answer.frames, k, np.add(place.low, place.high) / 2))
        return LocatedFinding(self._label, score, middle, None, _box(slabs, answer.frames, k, place.low, place.high))


def networks(weights: dict[str, torch.Tensor]) -> tuple[FirstBlocks, LastBlocks]:
    """
    Return both parts of the network, ready to compute.

    Parameters
    ----------
    weights
        Of the first blocks under `first.`, of the last under `last.`.
    """
    first, last = FirstBlocks(), LastBlocks()
    for part, prefix in ((first, "first."), (last, "last.")):
        part.load_state_dict({n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)})
        part.eval().requires_grad_(False)
    return first, last


def _require_head(frames: Frames) -> None:
    found = frames.areas > 0
    if found.mean() < _MIN_HEAD_SHARE:
        text = f"A head is found in {np.count_nonzero(found)} of {len(found)} slices of 5 mm; a head is asked."
        raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, text))
    within = frames.window[frames.masks]
    air = float(np.mean(within < _AIR_HU))
    bone = float(np.mean(within > _BONE_OF_BRIGHTEST * np.percentile(within, 99.5)))
    if air > _MAX_AIR_SHARE and bone < _MIN_BONE_SHARE:
        text = f"Of what the outline holds {air:.0%} is air and {bone:.0%} bone; a head has less air and more bone."
        raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, text))


def _box(slabs: Slabs, frames: Frames, k: int, low: tuple[float, float], high: tuple[float, float]) -> Box:
    """Return a box along the axes of the volume that holds the turned one, as thick as the slab."""
    pixels = [(row, column) for row in (low[0], high[0]) for column in (low[1], high[1])]
    return slabs.box_mm(k, [_in_volume(frames, k, pixel) for pixel in pixels])


def _in_volume(frames: Frames, k: int, pixel: npt.ArrayLike) -> tuple[float, float]:
    """Return where in a slice of the volume, (row, column), a pixel of the network's picture of slab k comes from."""
    matrix, offset = lookup(frames, k)
    row, column = ((matrix @ np.asarray(pixel) + offset + 0.5) * np.array(frames.reduction) - 0.5).tolist()
    return (row, column)
