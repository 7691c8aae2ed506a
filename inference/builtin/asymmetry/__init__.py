"""Left against right in the brain, by coarse regions: an experiment in rules, without weights and without truth."""
