"""What tests abandon gives its files back, as the end of a process would."""

from __future__ import annotations

from ingest.listening.journaling import Journal


class AbandonedJournal(Journal):
    """A journal that closes its files when nobody holds it any more."""

    def __del__(self) -> None:
        """Close both."""
        self.close()
