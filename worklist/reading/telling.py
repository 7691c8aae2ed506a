"""How on-call radiology is told: by e-mail, by a webhook. No message says whose finding it is."""

from __future__ import annotations

import json
import smtplib
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal, Protocol
from urllib.parse import urlsplit

from voorrang.errors import RetryableError
from voorrang.settings import Settings
from voorrang.statement import RESEARCH

PATIENCE_SECONDS = 10.0
ChannelName = Literal["email", "webhook"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said: a pathway, how long, and a number by which the reading list knows the rest."""

    reference: int
    step: int
    pathway: str
    site: str
    waits_minutes: int

    @property
    def subject(self) -> str:
        """One line."""
        return f"Critical finding waits unread: {self.pathway}, reference {self.reference}"

    @property
    def text(self) -> str:
        """The whole."""
        return (
            f"At {self.site} a possible critical finding ({self.pathway}) has waited unread for "
            f"{self.waits_minutes} minutes.\n"
            f"Open the reading list and take it: reference {self.reference}. This is message {self.step}; "
            "they go on until somebody takes it.\n"
            f"{RESEARCH}\n"
        )


class Channel(Protocol):
    """One way to on-call radiology."""

    @property
    def name(self) -> ChannelName:
        """How it is called in the log."""
        ...

    def tell(self, notice: Notice) -> None:
        """
        Deliver a message, or say that it was not.

        Raises
        ------
        RetryableError
            When nobody took it; the message names no address.
        """
        ...


@dataclass(frozen=True, slots=True)
class Email:
    """By the hospital's own mail relay, which asks for no password."""

    host: str
    port: int
    sender: str
    recipient: str
    name: ChannelName = "email"

    def tell(self, notice: Notice) -> None:
        """Send one mail."""
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self.sender, self.recipient, notice.subject
            mail.set_content(notice.text)
            with smtplib.SMTP(self.host, self.port, timeout=PATIENCE_SECONDS) as relay:
                relay.send_message(mail)
        except (OSError, ValueError, smtplib.SMTPException) as error:  # ValueError: an address that is none
            raise RetryableError(f"e-mail: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Webhook:
    """By a POST of JSON; a redirection is not followed: nobody but on-call radiology is told."""

    url: str
    name: ChannelName = "webhook"

    def tell(self, notice: Notice) -> None:
        """Post once."""
        body = {
            "subject": notice.subject,
            "text": notice.text,
            "reference": notice.reference,
            "step": notice.step,
            "pathway": notice.pathway,
            "site": notice.site,
            "waits_minutes": notice.waits_minutes,
        }
        try:
            status = _post(self.url, json.dumps(body))
        except (OSError, ValueError, HTTPException) as error:  # ValueError: an address that is none
            raise RetryableError(f"webhook: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise RetryableError(f"webhook: status {status}")


def _post(url: str, body: str) -> int:
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    with closing(kind(where.hostname or "", where.port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status


def channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the ways that this site has set up; none: nobody is told."""
    found: list[Channel] = []
    if settings.escalation_smtp:
        host, _, port = settings.escalation_smtp.rpartition(":")
        found.append(Email(host, int(port), settings.escalation_from, settings.escalation_to))
    if settings.escalation_webhook:
        found.append(Webhook(settings.escalation_webhook))
    return tuple(found)
