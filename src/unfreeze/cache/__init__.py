"""Activations at the frontier, kept on disk by content, and what is known of picture files. It knows no networks."""

from __future__ import annotations

from unfreeze.cache.activations import Activations, MappedActivations, MemoryActivations
from unfreeze.cache.fetching import Compute, Fetched, fetch_activations
from unfreeze.cache.fingerprints import fingerprint_from_text, fingerprint_text, scan_new
from unfreeze.cache.hashes import FileState, FingerprintIndex, file_state
from unfreeze.cache.keeping import KeptRows
from unfreeze.cache.keys import activation_key, row_key
from unfreeze.cache.layout import PassDescription, TensorSpec
from unfreeze.cache.location import cache_directory, cache_quota
from unfreeze.cache.passes import PassEntry
from unfreeze.cache.store import MEMORY_BYTES, ActivationCache, Cleared
from unfreeze.cache.upkeep import clear_cache, list_cache
from unfreeze.cache.writing import PassWriter

__all__ = [
    "MEMORY_BYTES",
    "ActivationCache",
    "Activations",
    "Cleared",
    "Compute",
    "Fetched",
    "FileState",
    "FingerprintIndex",
    "KeptRows",
    "MappedActivations",
    "MemoryActivations",
    "PassDescription",
    "PassEntry",
    "PassWriter",
    "TensorSpec",
    "activation_key",
    "cache_directory",
    "cache_quota",
    "clear_cache",
    "fetch_activations",
    "file_state",
    "fingerprint_from_text",
    "fingerprint_text",
    "list_cache",
    "row_key",
    "scan_new",
]
