"""Becomes the listener: what it is told is gathered here, in a process that gives way to a lean one."""

from __future__ import annotations

import os
import sys

from ingest.boots import current_boot, told_boot
from ingest.telling import listener_configuration
from voorrang.archive import Archive
from voorrang.settings import Settings


def listen(settings: Settings, *, is_durable: bool = True) -> int:
    """Become the listener: a fresh interpreter in this very process, which has loaded none of what it does not need."""
    told = listener_configuration(settings, is_durable=is_durable)
    boot = current_boot()
    if is_durable and boot and told_boot(Archive(settings.archive_dir)) != boot:
        from ingest.setting_aside import set_aside_torn  # once after each start of the machine

        set_aside_torn(settings, boot)
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "ingest.listening", told.to_json()])  # noqa: S606 - ourselves
