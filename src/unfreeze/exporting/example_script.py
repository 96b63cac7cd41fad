"""The script beside an exported file: reads a picture, runs the file, prints what it says. It needs no unfreeze."""

from __future__ import annotations

import inspect
from textwrap import indent
from typing import TYPE_CHECKING

from unfreeze.data.views import least_size
from unfreeze.exporting.plain_decoding import PARTS, fit_picture

if TYPE_CHECKING:
    from unfreeze.data import InputSpec
    from unfreeze.exporting.request import FormatName
    from unfreeze.records import TaskName

__all__ = ["EXAMPLE_SUFFIX", "example_script", "usage"]

EXAMPLE_SUFFIX = ".example.py"
NEEDED: dict[FormatName, str] = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}
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
        "session = onnxruntime.InferenceSession({file!r})",
        'classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
        '{outputs} = session.run(None, {{"images": images}})',
    ),
    "openvino": (
        "model = openvino.Core().read_model({file!r})",
        'classes = json.loads(model.get_rt_info(["unfreeze", "classes"]).astype(str))',
        'compiled = openvino.compile_model(model, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})',
        "{outputs} = compiled(images).values()",
    ),
    "torch": (
        'about = {{"classes": ""}}',
        "program = torch.export.load({file!r}, extra_files=about).module()",
        'classes = json.loads(about["classes"])',
        "{outputs} = program(torch.from_numpy(images))",
    ),
}
SHOW: dict[TaskName, str] = {
    "classification": "print(classes[int(prediction[0])], probabilities[0])",
    "multilabel": "print([name for name, on in zip(classes, prediction[0]) if on], probabilities[0])",
    "regression": "print(dict(zip(classes, values[0])))",
}


def example_script(file: str, format_name: FormatName, spec: InputSpec, *, any_size: bool) -> str:
    """Return the script for an exported file; imported, it has `read_batch`, which the lines of `usage` take.

    Args:
        file: its name.
        format_name: what it is.
        spec: the network's input.
        any_size: whether the file resizes pictures itself.
    """
    make = "read_picture(file, AT_LEAST, DEPTH_RANGE)"
    if not any_size:
        make = f'fit_picture({make}, {spec.size}, "{spec.interpolation}", "{spec.crop}", {spec.crop_pct})'
    what = "of any size" if any_size else f"resized to {spec.size[1]} x {spec.size[0]} px"
    needed = NEEDED[format_name]
    return "\n".join(
        [
            '"""What the exported file beside this script says of a picture: python THIS_SCRIPT PICTURE',
            "",
            f"Needs {needed}, numpy and pillow. The file takes uint8 pictures (batch, 3, height, width),",
            f'RGB, {what}; normalisation is inside."""',
            "",
            f"import json\nimport sys\nfrom pathlib import Path\n\nimport numpy as np\nimport {needed}",
            "from PIL import Image, ImageChops, ImageOps",
            "",
            f"MODEL = Path(__file__).with_name({file!r})",
            f"AT_LEAST = {least_size(spec, 'none')}  # height and width that large JPEGs stay twice as large as",
            f"DEPTH_RANGE = {spec.depth_range}  # what becomes 0 and 255 in pictures of more than 8 bits",
            "",
            *(f"\n{inspect.getsource(part)}" for part in (*PARTS, *(() if any_size else (fit_picture,)))),
            "",
            "def read_batch(file: Path | str) -> np.ndarray:",
            '    """Return a picture file as the model takes it, uint8 (1, 3, height, width)."""',
            f"    picture = {make}",
            "    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])",
            "",
            "",
            'if __name__ == "__main__":',
            indent(f"images = read_batch(sys.argv[1])\n{RUNNING[format_name]}{SHOWING}", "    "),
        ]
    )


def usage(file: str, format_name: FormatName, task: TaskName) -> str:
    """Return the fewest lines of Python that run an exported file on a picture, for a reader to copy.

    They read the picture as the example script does, so that there is one way to do it.

    Args:
        file: its name.
        format_name: what it is.
        task: the network's.
    """
    outputs = "(values,)" if task == "regression" else "probabilities, prediction"
    lines = [
        "import json",
        "from runpy import run_path",
        "",
        f"import {NEEDED[format_name]}",
        "",
        f'read_batch = run_path({file + EXAMPLE_SUFFIX!r})["read_batch"]  # the script beside it',
        'images = read_batch("picture.jpg")  # uint8 (1, 3, height, width)',
        *(line.format(file=file, outputs=outputs) for line in CALLS[format_name]),
        SHOW[task],
    ]
    return "\n".join(lines) + "\n"
