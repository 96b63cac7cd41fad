from .dataset import Dataset, align_outputs, check_trainable, dataset_fingerprint, drop_unreadable
from .decoding import read_image
from .headers import Header, read_header
from .listing import IMAGE_EXTENSIONS, find_images, iterate_images
from .loading import Batch, batches
from .memory import ViewMemory
from .opening import open_dataset
from .ordering import epoch_order
from .prefetching import prefetch
from .reading import decode_views, read_views
from .scanning import Fingerprint, depth_range, fingerprint_bytes, near_duplicates, scan
from .spec import InputSpec
from .split import Split, split_dataset
from .views import make_view

__all__ = [
    "IMAGE_EXTENSIONS",
    "Batch",
    "Dataset",
    "Fingerprint",
    "Header",
    "InputSpec",
    "Split",
    "ViewMemory",
    "align_outputs",
    "batches",
    "check_trainable",
    "dataset_fingerprint",
    "decode_views",
    "depth_range",
    "drop_unreadable",
    "epoch_order",
    "find_images",
    "fingerprint_bytes",
    "iterate_images",
    "make_view",
    "near_duplicates",
    "open_dataset",
    "prefetch",
    "read_header",
    "read_image",
    "read_views",
    "scan",
    "split_dataset",
]
