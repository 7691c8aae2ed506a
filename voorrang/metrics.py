"""Every metric, declared once: base units, closed label sets, no identifiers (a test walks this module)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

# Bounds lie on the promises of the pathways: 180 s is the stroke result, 900 s the stroke reading.
WAIT_BUCKETS_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0)

EVENTS_PUBLISHED = Counter("voorrang_events_published_total", "Events that the broker acknowledged", ["topic"])
EVENTS_REPUBLISHED = Counter("voorrang_events_republished_total", "Events that the reconciler sent again", ["topic"])
EVENTS_HANDLED = Counter("voorrang_events_handled_total", "Events handled to their end", ["consumer", "topic"])
EVENTS_SKIPPED = Counter("voorrang_events_skipped_total", "Events of another purpose or type", ["consumer", "reason"])
EVENTS_DEAD_LETTERED = Counter(
    "voorrang_events_dead_lettered_total", "Events no handler can take", ["consumer", "topic"]
)
TASK_ROUNDS = Counter(
    "voorrang_task_rounds_total", "Rounds that a task of a service brought to their end", ["service", "task"]
)
MESSAGE_IN_HAND_SECONDS = Gauge(
    "voorrang_message_in_hand_seconds", "How long a consumer has been at one message; 0: it has none", ["consumer"]
)
OUTBOX_WAITING = Gauge("voorrang_outbox_waiting", "Events written but not yet acknowledged by the broker", ["service"])

INSTANCES_RECEIVED = Counter("voorrang_instances_received_total", "C-STORE requests answered", ["outcome"])
ASSOCIATIONS_OPEN = Gauge("voorrang_associations_open", "DICOM associations that stand now")
GAVE_WAY_SECONDS = Counter(
    "voorrang_gave_way_seconds_total", "Time that answers to C-STORE waited while other senders went first"
)
HASH_CPU_SECONDS = Counter("voorrang_hash_cpu_seconds_total", "Processor time of hashing what was received")
STUDIES_RECEIVED = Counter("voorrang_studies_received_total", "Studies seen for the first time")
SERIES_COMPLETED = Counter("voorrang_series_completed_total", "Series revisions complete", ["pathway", "partial"])
ORDER_MESSAGES = Counter("voorrang_order_messages_total", "Orders and reports sent, by the answer", ["outcome"])
ORDERS_WAITING = Gauge(
    "voorrang_orders_waiting", "Orders, reports and studies that match nothing yet, and what was refused", ["reason"]
)
UNACCOUNTED_INSTANCES = Gauge(
    "voorrang_unaccounted_instances", "Accepted instances that are neither processed, refused nor waiting"
)
WAITING_INSTANCES = Gauge("voorrang_waiting_instances", "Accepted instances whose series awaits more or an answer")
OLDEST_WAITING_SECONDS = Gauge(
    "voorrang_oldest_waiting_seconds", "Age of the oldest complete series without an answer", ["lane"]
)
ARCHIVE_INSTANCES_DELETED = Counter(
    "voorrang_archive_deleted_instances_total", "Instances that retention decided to delete", ["reason"]
)
ARCHIVE_BYTES_DELETED = Counter(
    "voorrang_archive_deleted_bytes_total", "Bytes of instances that retention decided to delete", ["reason"]
)
ARCHIVE_DELETABLE_BYTES = Gauge(
    "voorrang_archive_deletable_bytes", "Bytes that retention may delete now or when the disk is low, as far as counted"
)
DISK_FREE_BYTES = Gauge("voorrang_disk_free_bytes", "Free room on the disk of the archive")
DISK_LOW_BYTES = Gauge("voorrang_disk_low_bytes", "Free room below which retention deletes before the limits; 0: never")

SERIES_READ = Counter("voorrang_series_read_total", "Series answered by a model", ["model", "state"])
SERIES_OUT_OF_SCOPE = Counter("voorrang_series_out_of_scope_total", "Series refused by the gate", ["model", "reason"])
READING_SECONDS = Histogram(
    "voorrang_model_reading_seconds",
    "From message in hand to result stored",
    ["model"],
    buckets=WAIT_BUCKETS_SECONDS,
)

SERIES_FAILED = Counter("voorrang_series_failed_total", "Series that a model could not read", ["model", "reason"])
COMPUTE_SECONDS = Counter(
    "voorrang_model_compute_seconds_total", "Time that models computed, by where they did", ["model", "device"]
)
COMPUTE_COST = Counter(
    "voorrang_model_compute_cost_total", "What models cost at the prices of the settings, in their currency", ["model"]
)
INFERENCE_PROCESSES_ENDED = Counter(
    "voorrang_inference_processes_ended_total", "Processes of models that were killed or died", ["reason"]
)

ITEMS_OPEN = Gauge("voorrang_worklist_items", "Items on the list", ["tier", "state"])
ORDERS_OPEN = Gauge("voorrang_worklist_orders_open", "Orders that stand and have no signed report", ["tier"])
ORDERS_UNMATCHED = Gauge(
    "voorrang_worklist_unmatched", "Orders and reports that match nothing on the list, or for a person only", ["reason"]
)
ITEMS_EXPIRED = Gauge("voorrang_worklist_expired_items", "Items that wait beyond the cap of their tier", ["tier"])
LAST_SLICE_TO_PRIORITY_SECONDS = Histogram(
    "voorrang_last_slice_to_priority_seconds",
    "From the last slice received to the priority visible on the list",
    ["pathway"],
    buckets=WAIT_BUCKETS_SECONDS,
)
MODELS_WITHOUT_INFLUENCE = Gauge(
    "voorrang_models_without_influence", "Models of a pathway that move nothing", ["pathway"]
)
ESCALATIONS = Counter(
    "voorrang_escalations_total",
    "Calls of on-call radiology by outcome",
    ["channel", "outcome"],
)
# A share of two versions, or of two operating points, is that of no model: so these are counted apart.
_WHICH_MODEL = ("model", "version", "weights", "operating_point")
FINDINGS_SEEN = Counter(
    "voorrang_findings_scored_total", "Answers of models as monitoring counts them", [*_WHICH_MODEL, "state"]
)
FLAGGED_SEEN = Counter(
    "voorrang_series_flagged_total", "Answers at or above the operating point; read again counts again", _WHICH_MODEL
)
ITEMS_RANKED_SEEN = Counter("voorrang_items_ranked_total", "Rankings as monitoring counts them", ["tier", "state"])
STUDIES_SEEN = Counter("voorrang_studies_seen_total", "Studies as monitoring counts them")
OPERATOR_ACTIONS_SEEN = Counter(
    "voorrang_operator_actions_total", "What people did to studies and instances", ["action"]
)
INSTANCES_DELETED_SEEN = Counter("voorrang_instances_deleted_total", "Instances that retention took from the archive")
ORDERS_SEEN = Counter("voorrang_orders_total", "Words on orders as monitoring counts them", ["action", "tier"])
REPORTS_SEEN = Counter("voorrang_reports_total", "Versions of reports as monitoring counts them", ["state"])
PATIENTS_SEEN = Counter("voorrang_patients_total", "Merges and changes of patients", ["action"])
SERIES_REJECTED_SEEN = Counter(
    "voorrang_series_rejected_total", "Series rejected, as monitoring counts them", ["reason"]
)
