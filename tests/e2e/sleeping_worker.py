"""`voorrang inference work` with models that sleep instead of computing; run as a module, settings as always."""

from __future__ import annotations

import sys

from inference.service import work
from tests.integration.inference.archived import LOADER
from voorrang.settings import load_settings

if __name__ == "__main__":
    sys.exit(work(load_settings(), LOADER))
