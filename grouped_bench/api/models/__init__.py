"""A user's model made faster: a copy of it, or Keras' own layers while a block is open."""
