"""
`calibration.json`: how likely a flag of one model version is right, here.

A model's own number never counts as a probability. The file is bound to model digest, operating point, pathway and
site; local validation makes it, and until then a person does, from counted reports.

References
----------
Wilson (1927), Probable inference, the law of succession, and statistical inference, J Am Stat Assoc 22:209-212.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voorrang.errors import ConfigurationError
from voorrang.register import Activation

ENOUGH_POSITIVES = 100
Z_95 = 1.959963984540054
Share = Annotated[float, Field(ge=0, le=1)]


class Calibration(BaseModel):
    """
    What was counted at one site.

    `flagged` studies were at or above the operating point, `true_positives` of them right; `positives` studies had
    the condition, flagged or not. `curve` gives score and probability, both ascending.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1]
    pathway: str
    model_id: str
    weights_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    operating_point: Share
    site: str
    flagged: int = Field(ge=0)
    true_positives: int = Field(ge=0)
    positives: int = Field(ge=0)
    curve: tuple[tuple[Share, Share], ...] = ()
    made_by: str = Field(min_length=1)
    made_on: date
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if not self.true_positives <= min(self.flagged, self.positives):
            raise ValueError("true_positives is above flagged or above positives: count again")
        if self.positives >= ENOUGH_POSITIVES and not self.curve:
            raise ValueError(f"curve is missing: with {ENOUGH_POSITIVES} positives it gives the probability")
        if any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.curve)):
            raise ValueError("curve does not ascend: a higher score is never less likely to be right")
        return self

    def probability(self, score: float) -> float:
        """
        Return the probability that a flagged study of this score is right, 0 to 1.

        With fewer than 100 local positives the lower bound of the local PPV, whatever the score; else the curve,
        straight between its points and level beyond them.
        """
        if self.positives < ENOUGH_POSITIVES:
            return bounds(self.true_positives, self.flagged)[0]
        for (x0, y0), (x1, y1) in pairwise(self.curve):
            if x0 <= score <= x1:
                return y0 + (y1 - y0) * (score - x0) / (x1 - x0)
        return self.curve[0][1] if score < self.curve[0][0] else self.curve[-1][1]

    def at_most(self, score: float) -> float:
        """Return how often a flagged study of this score may be right at most, by what was counted, 0 to 1."""
        if self.positives < ENOUGH_POSITIVES:
            return bounds(self.true_positives, self.flagged)[1]
        return self.probability(score)


def bounds(successes: int, trials: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % score interval of a proportion; 0 and 1 without trials."""
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, Z_95**2
    middle, scale = share + z2 / (2 * trials), 1 + z2 / trials
    spread = Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def read_calibration(path: Path) -> tuple[Calibration, str]:
    """
    Return a calibration and the SHA-256 of its file.

    Raises
    ------
    ConfigurationError
        When the file cannot be read or is not a calibration, naming the first mistake.
    """
    try:
        data = path.read_bytes()
        return Calibration.model_validate_json(data), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"{path}: {where}: {first['msg']}; correct it and count again if need be") from error


def require_bound(
    calibration: Calibration, *, pathway: str, model_id: str, weights_digest: str, operating_point: float, site: str
) -> None:
    """
    Check that a calibration is about exactly this.

    Raises
    ------
    ConfigurationError
        When it is about another pathway, model, weights, operating point or site, naming both.
    """
    here = {
        "pathway": pathway,
        "model_id": model_id,
        "weights_digest": weights_digest,
        "operating_point": operating_point,
        "site": site,
    }
    for name, value in here.items():
        if (got := getattr(calibration, name)) != value:
            raise ConfigurationError(f"the calibration's {name} is {got}, here it is {value}: it was made elsewhere")


def file_of(folder: Path, digest: str) -> Path:
    """Return where the calibration of a digest is kept."""
    return folder / f"{digest}.json"


def load_activated(folder: Path, activations: Iterable[Activation]) -> Mapping[str, Calibration]:
    """Return the activated calibrations that are there and unchanged, by digest; any other has no influence."""
    digests = {found.calibration_digest for found in activations if found.calibration_digest is not None}
    looked = {digest: _load(folder, digest) for digest in digests}
    return {digest: found for digest, found in looked.items() if found is not None}


def _load(folder: Path, digest: str) -> Calibration | None:
    """Return a calibration under its digest; None when it is gone or changed: a banner says so."""
    path = file_of(folder, digest)
    try:
        now = path.stat()
        return _read_once(path, digest, (now.st_ino, now.st_mtime_ns, now.st_size))
    except (OSError, ConfigurationError):
        return None


@lru_cache(maxsize=64)
def _read_once(path: Path, digest: str, _: tuple[int, int, int]) -> Calibration | None:
    # Asked for at each ranking: read again only when the file has been written again, or could not be read. What an
    # error says is not kept: a disk that gave nothing once must not take the model's influence for good.
    found, got = read_calibration(path)
    return found if got == digest else None
