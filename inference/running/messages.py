"""What worker and child tell each other, over a socket between the two; at the most some pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inference.reading import Outcome
from inference.running.conditions import Conditions
from inference.running.devices import WantedDevice
from inference.selection import Rival
from voorrang.events.records import ModelIdentity
from voorrang.pathways.criteria import SeriesCriteria

LOADER = "inference.running.loading:load_named"
EXIT_DEVICE_LOST = 3  # of a child whose GPU computes nothing more for it


@dataclass(frozen=True, slots=True)
class Start:
    """
    The first message to a child: what it is to be.

    Parameters
    ----------
    names
        Models to load and keep.
    bundles_dir, data_dir, archive_dir
        Folders of the installation: of models that were added, of what the machine remembers, of the images.
    device
        As the settings say.
    memory_bytes
        Limit of the child's memory; 0: four fifths of the machine's.
    log_level
        Of the child's log.
    conditions
        What an earlier child of the same worker chose; None: choose.
    loader
        `module:function` that makes models, by name, of names and the folder of bundles; tests have their own.
    """

    names: tuple[str, ...]
    bundles_dir: Path
    data_dir: Path
    archive_dir: Path
    device: WantedDevice = "auto"
    memory_bytes: int = 0
    log_level: str = "INFO"
    conditions: Conditions | None = None
    loader: str = LOADER


@dataclass(frozen=True, slots=True)
class Ready:
    """Models are loaded: which they are exactly, by name, and under which conditions they compute."""

    identities: Mapping[str, ModelIdentity]
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Refused:
    """The child cannot start; a person must change something."""

    text: str


@dataclass(frozen=True, slots=True)
class Job:
    """
    One series revision and the models that are to read it.

    Parameters
    ----------
    models
        By name.
    manifest
        A locator of the archive.
    criteria
        What the pathway asks beside each model's own scope.
    rivals
        Other series of the study, and which models have scored them.
    """

    models: tuple[str, ...]
    manifest: str
    criteria: SeriesCriteria | None = None
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """One model of a job has answered."""

    name: str
    outcome: Outcome


class Reader(Protocol):
    """Reads series with models that it keeps loaded."""

    @property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """Which models these are, exactly, by name."""
        ...

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """
        Give the outcome of each model of a job, each as soon as it is there; exactly one for each.

        Raises
        ------
        RetryableError
            When told to stop meanwhile, or when models cannot be loaded now.
        """
        ...
