"""What triage would bring: waiting times by closed forms, by an exact Markov chain and by simulation. Pure."""
