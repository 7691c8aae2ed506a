"""Tables of inference."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, MetaData, String, Table

metadata = MetaData()


def _identity() -> tuple[Column[Any], ...]:
    return (
        Column("series_instance_uid", String(64), primary_key=True),
        Column("series_revision", Integer, primary_key=True),
        Column("model_id", String(64), primary_key=True),
        Column("version", String(32), primary_key=True),
        Column("weights_digest", String(64), primary_key=True),
        Column("run", Integer, primary_key=True),
    )


def _answer() -> tuple[Column[Any], ...]:
    return (
        Column("state", String(16), nullable=False),
        Column("outcome", JSON, nullable=False),
        Column("scored_at", DateTime(timezone=True), nullable=False),
    )


# What models said themselves, scores and failures; one result per identity, whatever is retried and whichever pathway
# asked: the primary key is the identity of a finding.
result = Table(
    "inference_result",
    metadata,
    *_identity(),
    *_answer(),
)

# What each pathway was told: its own gate's refusal, or what the model said, worth what was counted on this pathway. An
# answer older than this table whose pathway is not known has none.
pathway_result = Table(
    "inference_pathway_result",
    metadata,
    *_identity(),
    Column("pathway", String(63), primary_key=True),
    *_answer(),
)

# How often workers began to read what an event asks for and were gone before they had answered.
start = Table(
    "inference_start",
    metadata,
    Column("event_id", String(64), primary_key=True),
    Column("worker", String(32), nullable=False),
    Column("starts", Integer, nullable=False),
)

# Up to which revision the images of a series were rejected: nothing is made of them.
rejection = Table(
    "inference_rejection",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("series_revision", Integer, nullable=False),
)

# The latest answer of a model version about a series on a pathway; quality is null where it was no score.
answered = Table(
    "inference_answered",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(63), primary_key=True),
    Column("model_id", String(64), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("weights_digest", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("series_revision", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    Column("quality", JSON(none_as_null=True)),
)
