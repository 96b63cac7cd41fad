"""The script beside an exported file: reads a picture, runs the file, prints what it says. It needs no unfreeze."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from unfreeze.exporting.plain_decoding import fit_picture, read_picture

if TYPE_CHECKING:
    from unfreeze.exporting.request import FormatName
    from unfreeze.records import ModelRecord

__all__ = ["EXAMPLE_SUFFIX", "example_script", "usage"]

EXAMPLE_SUFFIX = ".example.py"
NEEDED: dict[FormatName, str] = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}
IMPORTS: dict[FormatName, str] = {
    "onnx": "import numpy as np\nimport onnxruntime\nfrom PIL import Image, ImageOps",
    "openvino": "import numpy as np\nimport openvino\nfrom PIL import Image, ImageOps",
    "torch": "import numpy as np\nimport torch\nfrom PIL import Image, ImageOps",
}
RUNNING: dict[FormatName, str] = {
    "onnx": """\
session = onnxruntime.InferenceSession(str(MODEL))
about = session.get_modelmeta().custom_metadata_map
answer = session.run(None, {"images": images})
""",
    "openvino": """\
core = openvino.Core()
model = core.read_model(MODEL)
about = {name: model.get_rt_info(["unfreeze", name]).astype(str) for name in ("task", "classes")}
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
answer = list(compiled(images).values())
""",
    "torch": """\
about = {"task": "", "classes": ""}
program = torch.export.load(MODEL, extra_files=about).module()
with torch.inference_mode():
    answer = [output.numpy() for output in program(torch.from_numpy(images))]
""",
}
SHOWING = """\
names = json.loads(about["classes"])
scores = answer[0][0].tolist()  # probabilities, or values
match about["task"]:
    case "classification":
        print(names[int(answer[1][0])])
    case "multilabel":
        print(", ".join(name for name, on in zip(names, answer[1][0]) if on) or "none")
for score, name in sorted(zip(scores, names), reverse=True):
    print(f"{score:10.4f}  {name}")
"""

CALLS: dict[FormatName, tuple[str, ...]] = {
    "onnx": (
        'session = onnxruntime.InferenceSession("{file}")',
        'classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
        '{outputs} = session.run(None, {{"images": images}})',
    ),
    "openvino": (
        'model = openvino.Core().read_model("{file}")',
        'classes = json.loads(model.get_rt_info(["unfreeze", "classes"]).astype(str))',
        'compiled = openvino.compile_model(model, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})',
        "{outputs} = compiled(images).values()",
    ),
    "torch": (
        'about = {{"classes": ""}}',
        'program = torch.export.load("{file}", extra_files=about).module()',
        'classes = json.loads(about["classes"])',
        "{outputs} = program(torch.from_numpy(images))",
    ),
}


def example_script(file: str, format_name: FormatName, record: ModelRecord, *, any_size: bool) -> str:
    """Return the script for an exported file.

    Args:
        file: its name.
        format_name: what it is.
        record: the network's.
        any_size: whether the file resizes pictures itself.
    """
    constants = [f'MODEL = Path(__file__).with_name("{file}")', f"SIZE = {record.size}  # height, width"]
    functions = [inspect.getsource(read_picture)]
    make = "read_picture(sys.argv[1], SIZE)"
    if not any_size:
        functions.append(inspect.getsource(fit_picture))
        make = f'fit_picture({make}, SIZE, "{record.interpolation}", "{record.crop}", {record.crop_pct})'
    what = "of any size" if any_size else f"resized to {record.size[1]} x {record.size[0]} px"
    return "\n".join(
        [
            f'"""What {file} says of a picture: python {file}{EXAMPLE_SUFFIX} PICTURE',
            "",
            f"Needs {NEEDED[format_name]}, numpy and pillow. The file takes uint8 pictures (batch, 3, height, width),",
            f'RGB, {what}; normalisation is inside."""',
            "",
            "import json\nimport sys\nfrom pathlib import Path\n",
            IMPORTS[format_name],
            "",
            *constants,
            "",
            *(f"\n{function}" for function in functions),
            "",
            f"picture = {make}",
            "images = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])",
            RUNNING[format_name],
            SHOWING,
        ]
    )


def usage(file: str, format_name: FormatName, record: ModelRecord, *, any_size: bool) -> str:
    """Return the fewest lines of Python that run an exported file on a picture, for a reader to copy.

    Args:
        file: its name.
        format_name: what it is.
        record: the network's.
        any_size: whether the file resizes pictures itself.
    """
    height, width = record.size
    resized = "" if any_size else f".resize(({width}, {height}), Image.Resampling.{record.interpolation.upper()})"
    outputs = "(values,)" if record.task == "regression" else "probabilities, prediction"
    show = {
        "classification": "print(classes[int(prediction[0])], probabilities[0])",
        "multilabel": "print([name for name, on in zip(classes, prediction[0]) if on], probabilities[0])",
        "regression": "print(dict(zip(classes, values[0])))",
    }[record.task]
    lines = [
        "import json",
        *IMPORTS[format_name].splitlines(),
        "",
        f'picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("RGB"){resized}',
        "images = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1)[None])  # uint8 (1, 3, height, width)",
        *(line.format(file=file, outputs=outputs) for line in CALLS[format_name]),
        show,
    ]
    return "\n".join(lines) + "\n"
