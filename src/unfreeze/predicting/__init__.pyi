from .predictor import Predictor
from .sources import expand_paths

__all__ = ["Predictor", "expand_paths"]
