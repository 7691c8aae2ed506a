"""What is wrong with a bundle: one line each, naming file, key and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voorrang.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that somebody must change.

    Parameters
    ----------
    file
        Relative to the bundle.
    key
        Within the file; empty for the file as a whole.
    text
        What is wrong, with what was got and what is expected.
    remedy
        What to do.
    """

    file: str
    key: str
    text: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return " ".join(f"{where}: {self.text}; {self.remedy}".split())


class BundleError(ConfigurationError):
    """
    The model does not start: its bundle must be changed first.

    Parameters
    ----------
    *problems
        At least one; the message has a line for each.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def refuse_if_any(problems: Sequence[Problem]) -> None:
    """
    Check that nothing is wrong.

    Raises
    ------
    BundleError
        With every problem at once: who mends one wants to know of the others.
    """
    if problems:
        raise BundleError(*problems)
