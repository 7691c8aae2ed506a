"""What every result of a model carries and shows: the words of rule 9 of DESIGN, and no more than was registered."""

from enum import StrEnum

RESEARCH = "Research. Not CE-marked. Not for clinical use."


class Shows(StrEnum):
    """What readers see of a model's answers: that a flag was raised; where, with its picture; its measures as well."""

    FLAG = "flag"
    BOX = "box"
    MEASURE = "measure"

    @property
    def has_places(self) -> bool:
        """Whether places and the pictures of them are shown."""
        return self is not Shows.FLAG

    @property
    def has_measures(self) -> bool:
        """Whether scores and sizes are shown."""
        return self is Shows.MEASURE
