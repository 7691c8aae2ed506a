"""The whole stack on one machine: an embedded broker and every service, each a process of its own."""
