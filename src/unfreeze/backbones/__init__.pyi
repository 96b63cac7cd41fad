from .allocation import keep_freed_memory
from .building import native_size, probe_size
from .bundled import BUNDLED
from .depths import FEATURES, depth_columns, pooled_columns
from .grouping import layers_of
from .heads import Head, make_head
from .loading import input_spec, load_network, model_layers, run_of
from .naming import KnownModel, check_model_name, known_models
from .network import Network
from .outputs import output_scores
from .saving import rebuild, save_network

__all__ = [
    "BUNDLED",
    "FEATURES",
    "Head",
    "KnownModel",
    "Network",
    "check_model_name",
    "depth_columns",
    "input_spec",
    "keep_freed_memory",
    "known_models",
    "layers_of",
    "load_network",
    "make_head",
    "model_layers",
    "native_size",
    "output_scores",
    "pooled_columns",
    "probe_size",
    "rebuild",
    "run_of",
    "save_network",
]
