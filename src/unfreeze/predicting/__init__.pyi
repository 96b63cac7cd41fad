from .destinations import check_heat_maps, check_out
from .predictor import Predictor, check_batch_size
from .rows import Row, TableColumns, decision_text, row_of, set_text
from .sources import PictureFiles
from .tabulating import check_journal, predict_rows, predict_table
from .tally import Tally

__all__ = [
    "PictureFiles",
    "Predictor",
    "Row",
    "TableColumns",
    "Tally",
    "check_batch_size",
    "check_heat_maps",
    "check_journal",
    "check_out",
    "decision_text",
    "predict_rows",
    "predict_table",
    "row_of",
    "set_text",
]
