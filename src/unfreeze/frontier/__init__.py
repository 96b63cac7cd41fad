"""Where training begins in a network: the frozen prefix before it, the live suffix behind it."""

from unfreeze.frontier.choosing import SPEEDS, Candidate, Speeds, choose_cut
from unfreeze.frontier.cutting import FrontierTensor
from unfreeze.frontier.keys import hash_weights
from unfreeze.frontier.merging import merge_prefixes
from unfreeze.frontier.splitting import NoSplit, Split, split_network

__all__ = [
    "SPEEDS",
    "Candidate",
    "FrontierTensor",
    "NoSplit",
    "Speeds",
    "Split",
    "choose_cut",
    "hash_weights",
    "merge_prefixes",
    "split_network",
]
