"""What takes a layer's place in a user's model, and the source of the modules that put it there."""
