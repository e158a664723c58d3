"""Why a call takes its time, and why a task has no figures."""
