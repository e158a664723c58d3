"""The process that reads a network: the convolutions that one pass makes, whatever library or file it comes from."""
