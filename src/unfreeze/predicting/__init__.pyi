from .predictor import Predictor
from .rows import Row, TableColumns, decision_text, row_of, set_text
from .sources import PictureFiles
from .tables import check_out
from .tabulating import predict_rows, predict_table
from .tally import Tally

__all__ = [
    "PictureFiles",
    "Predictor",
    "Row",
    "TableColumns",
    "Tally",
    "check_out",
    "decision_text",
    "predict_rows",
    "predict_table",
    "row_of",
    "set_text",
]
