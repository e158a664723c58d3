"""What a user's project computes, timed in processes of its own."""
