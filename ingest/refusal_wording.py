"""Why an instance was refused and what to do about it, in words for a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SEND_AGAIN = "Have the sender send it again."


@dataclass(frozen=True, slots=True)
class RefusalWords:
    """A reason in words, and what to do about it."""

    reason: str
    remedy: str


_AT_THE_SENDER = (
    "Have it corrected at the sender (or by whoever changes images on the way) and sent again, then discard this one: "
    "sent again as it is, it is refused again."
)
_WORDS = {
    "unknown_called_ae_title": RefusalWords(
        "nobody here answers to the called AE title",
        "Correct the called AE title at the sender, or add it to `ae_titles`, and have it sent again.",
    ),
    "intake_full": RefusalWords("there was no room in the intake", SEND_AGAIN),
    "disk_full": RefusalWords("the disk had no room above its reserve", f"Free some disk. {SEND_AGAIN}"),
    "removed_meanwhile": RefusalWords("retention was removing the copy of it that was here", SEND_AGAIN),
    "too_large": RefusalWords(
        "it is larger than `max_instance_bytes`",
        "Its bytes were not kept. If such images are wanted, raise that setting, restart ingest, and send it again.",
    ),
    "sop_class_not_agreed": RefusalWords(
        "its SOP class is not the one that was agreed on for its presentation context", _AT_THE_SENDER
    ),
    "bad_sop_instance_uid": RefusalWords("its SOP Instance UID is not a UID", _AT_THE_SENDER),
    "bad_study_or_series_uid": RefusalWords("it has no usable Study or Series Instance UID", _AT_THE_SENDER),
    "sop_instance_uid_differs": RefusalWords(
        "its data set has another SOP Instance UID than the sender announced, or none", _AT_THE_SENDER
    ),
    "sop_class_uid_differs": RefusalWords(
        "its data set has another SOP Class UID than the sender announced, or none", _AT_THE_SENDER
    ),
    "unreadable_data_set": RefusalWords(
        "its bytes cannot be read as a data set",
        "Look for a fault at the sender or on the network, and have it sent again; replay after an upgrade that reads "
        "it.",
    ),
    "machine_went_down": RefusalWords(
        "it was coming in when the machine went down; its sender was not answered, and its bytes may be torn",
        "The sender still has it and sends it again, or is to be asked to: then discard this one. It is not replayed.",
    ),
    "note_not_read": RefusalWords(
        "it was accepted, but it may reject images and cannot be read: what it names is still in use",
        "Ask its sender what it rejects, and why. Have one sent that can be read, or replay this one after an upgrade "
        "that reads it; discard it when it rejects nothing.",
    ),
    "not_taken_in": RefusalWords(
        "it was accepted, but no row could be made of its values",
        "It lies in the archive, not in quarantine, and is safe: it can be neither replayed nor discarded. Open an "
        "issue; a version that can take it in will do so.",
    ),
}
_STATUSES = {
    0x0117: "invalid SOP instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0xA7: "out of resources",
    0xA9: "data set does not match SOP class",
    0xC0: "cannot understand",
}


def refusal_words(reason: str) -> RefusalWords:
    """Return a reason in words; one that is not known here is its code, read out."""
    general = "Look at the reason, correct its cause here or at the sender, then replay; or discard it."
    return _WORDS.get(reason, RefusalWords(reason.replace("_", " "), general))


def status_words(status: int) -> str:
    """Return a C-STORE status (PS3.4 section B.2.3) as 0xNNNN with its meaning."""
    meaning = _STATUSES.get(status) or _STATUSES.get(status >> 8)
    return f"0x{status:04X}" + (f" ({meaning})" if meaning else "")
