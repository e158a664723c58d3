"""Where measuring, recording and analysing meet."""
