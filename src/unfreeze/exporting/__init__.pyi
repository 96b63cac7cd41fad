from .export import Exported, export_network
from .model_card import model_card
from .parity_record import Agreement, ParityRecord, Speed
from .request import FORMATS, ExportRequest, FormatName

__all__ = [
    "FORMATS",
    "Agreement",
    "ExportRequest",
    "Exported",
    "FormatName",
    "ParityRecord",
    "Speed",
    "export_network",
    "model_card",
]
