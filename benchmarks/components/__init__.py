"""The parts that are measured by themselves, one file for each stretch of the way. Importing it registers them."""

from components import decoding, predicting, starting, training

__all__ = ["decoding", "predicting", "starting", "training"]
