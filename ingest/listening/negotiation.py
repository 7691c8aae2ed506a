"""Negotiates an association with pynetdicom's PDUs and its logic of presentation contexts and roles (PS3.8 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import pydicom.config
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, negotiate_as_acceptor
from pynetdicom.sop_class import Verification

from ingest.part10 import IMPLEMENTATION_CLASS_UID

MAX_PDU_BYTES = 131_072  # as much as dcmtk sends; with twice that pynetdicom, as a sender, was seen to stall
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
# The first that the sender offers too is taken. Explicit Little Endian is never lossy and names every VR, private ones
# too; the default syntax, which every sender offers and which names none, comes last.
TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    *(syntax for syntax in AllTransferSyntaxes if syntax not in {ExplicitVRLittleEndian, ImplicitVRLittleEndian}),
    ImplicitVRLittleEndian,
]


class Rejection(Enum):
    """Why an association is rejected: result, source and diagnostic of A-ASSOCIATE-RJ (PS3.8 section 9.3.4)."""

    CALLING_AE_TITLE = (1, 1, 3)
    CALLED_AE_TITLE = (1, 1, 7)
    TOO_MANY_ASSOCIATIONS = (2, 3, 2)


class NegotiationError(Exception):
    """The request is no A-ASSOCIATE-RQ that can be read: abort."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a sender asks for."""

    calling_ae_title: str
    called_ae_title: str
    primitive: A_ASSOCIATE


@dataclass(frozen=True, slots=True)
class Agreement:
    """What stands: for each context id the abstract and the transfer syntax, and the PDU that says so."""

    contexts: dict[int, tuple[str, str]]
    answer: bytes


def hear_everything() -> None:
    """
    Let the libraries hand over what the network says as it is, for this process; what may be stored is ours to judge.

    pynetdicom would abort an association for a UID of 66 characters, where a refusal with a status is due; pydicom
    would write values that break their VR, names among them, to stderr.
    """
    _config.VALIDATORS["UI"] = lambda _: (True, "")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def read_proposal(pdu: bytes) -> Proposal:
    """
    Read an A-ASSOCIATE-RQ.

    Raises
    ------
    NegotiationError
        When it cannot be read, for whatever reason.
    """
    try:
        request = A_ASSOCIATE_RQ()
        request.decode(pdu)
        primitive = request.to_primitive()
        calling, called = str(primitive.calling_ae_title).strip(), str(primitive.called_ae_title).strip()
    except Exception as error:  # whatever the library trips over in bytes from the network: the caller aborts
        raise NegotiationError(type(error).__name__) from error
    return Proposal(calling, called, primitive)


def reject(why: Rejection) -> bytes:
    """Return the A-ASSOCIATE-RJ PDU."""
    primitive = A_ASSOCIATE()
    primitive.result, primitive.result_source, primitive.diagnostic = why.value
    pdu = A_ASSOCIATE_RJ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


class Negotiator:
    """
    Accepts C-ECHO and C-STORE of every storage class in every syntax; nothing else.

    Storage Commitment and whatever else is proposed gets "abstract syntax not supported": nothing is kept for others.
    """

    def __init__(self) -> None:
        self._supported: list[PresentationContext] = [_context(Verification, [*TRANSFER_SYNTAXES])]
        self._supported += [_context(c.abstract_syntax, TRANSFER_SYNTAXES) for c in AllStoragePresentationContexts]

    def accept(self, proposal: Proposal, may_store: Callable[[str], bool]) -> Agreement:
        """
        Agree on contexts and roles.

        Parameters
        ----------
        proposal
            What is asked.
        may_store
            Whether this sender may store a SOP class; a C-ECHO is everybody's.

        Raises
        ------
        NegotiationError
            When the proposal cannot be answered, for whatever reason.
        """
        try:
            return self._accept(proposal, may_store)
        except Exception as error:  # whatever the library trips over in values from the network: the caller aborts
            raise NegotiationError(type(error).__name__) from error

    def _accept(self, proposal: Proposal, may_store: Callable[[str], bool]) -> Agreement:
        asked = proposal.primitive
        wanted = {str(context.abstract_syntax) for context in asked.presentation_context_definition_list}
        supported = [c for c in self._supported if c.abstract_syntax in wanted and _may_use(c, may_store)]
        roles = {
            item.sop_class_uid: (item.scu_role, item.scp_role)
            for item in asked.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
        }
        results, role_items = negotiate_as_acceptor(asked.presentation_context_definition_list, supported, roles)
        contexts = {c.context_id: (str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in results if c.result == 0}
        answer = A_ASSOCIATE()
        answer.application_context_name = UID(APPLICATION_CONTEXT)
        answer.calling_ae_title, answer.called_ae_title = asked.calling_ae_title, asked.called_ae_title
        answer.result, answer.result_source = 0, 1
        answer.presentation_context_definition_results_list = results
        answer.user_information = [*_about_us(), *role_items]
        pdu = A_ASSOCIATE_AC()
        pdu.from_primitive(answer)
        return Agreement(contexts, bytes(pdu.encode()))


def _may_use(context: PresentationContext, may_store: Callable[[str], bool]) -> bool:
    return context.abstract_syntax == Verification or may_store(str(context.abstract_syntax))


def _about_us() -> list[object]:
    length = MaximumLengthNotification()
    length.maximum_length_received = MAX_PDU_BYTES
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = "VOORRANG"
    return [length, implementation, version]


def _context(abstract_syntax: UID, transfer_syntaxes: list[UID]) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = abstract_syntax
    context.transfer_syntax = transfer_syntaxes
    return context
