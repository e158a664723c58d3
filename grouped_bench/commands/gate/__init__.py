"""Commands that hold one side against another: gates, their baselines, and what changed over commits."""
