"""What Keras' own forms are called in a sentence."""

KERAS = {
    "regular": "Keras' dense layer",
    "grouped": "Keras' groups=",
    "depthwise_sum": "Keras' depthwise layer",
    "resnext_grouped": "the block with Keras' groups=",
}
