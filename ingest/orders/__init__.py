"""Orders and reports: HL7 v2 over MLLP and NDJSON in, order, report and patient events out."""
