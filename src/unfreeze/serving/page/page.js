// The page of `unfreeze serve`: takes pictures by drop, paste, choice or camera, and shows what the network says.

import { setUpCamera } from "./camera.js";
import { amount, element, makeCard, showAnswer, showProblem } from "./cards.js";
import { askJson, form, keepToken, queue } from "./client.js";
import { scale } from "./scale.js";

const AT_ONCE = 4;
const MIB = 1024 ** 2;
const at = (id) => document.getElementById(id);
const inTurn = queue(AT_ONCE);
let model = null;
let cards = [];

const say = (text) => { at("status").textContent = text; };

async function begin() {
  try {
    model = await askJson("/model");
  } catch (error) {
    at("entry").hidden = error.status !== 401;
    if (error.status === 401) at("token").focus();
    else at("what").textContent = error.message;
    return;
  }
  at("entry").hidden = true;
  for (const id of ["ask", "about"]) at(id).hidden = false;
  describe();
}

function describe() {
  document.title = `${model.name} · unfreeze`;
  at("name").textContent = model.name;
  at("what").textContent = model.about[0];
  const { max_upload_bytes: bytes, max_pixels: pixels } = model.limits;
  at("limits").textContent = `JPEG, PNG, WebP, TIFF, BMP or DICOM, up to ${amount(bytes / MIB)} MiB and ${amount(pixels / 1e6)} megapixels each.`;
  at("headline").replaceChildren(...headline(model.metric));
  at("worth").replaceChildren(...model.about.slice(1).map((text) => element("p", {}, text)));
  at("classes").replaceChildren(...model.classes.map((name) => element("li", {}, name)));
  at("curl").textContent = `curl -F files=@picture.jpg ${location.origin}/predict`;
}

function headline(metric) {
  if (!metric || metric.value === null) return [element("p", {}, "This run has no test pictures: nobody knows how good it is.")];
  const found = [
    element("p", { class: "figure" }, metric.text),
    element("p", { class: "muted" }, `${metric.title} on ${model.n_test.toLocaleString("en")} test pictures`),
  ];
  const isShare = metric.low !== null && metric.low >= 0 && metric.high <= 1 && model.task !== "regression";
  return isShare ? [...found, ...scale(metric, "none right", "all right")] : found;
}

function add(files) {
  const chosen = [...files];
  if (!model || chosen.length === 0) return;
  at("answers").hidden = false;
  const made = chosen.map(makeCard);
  cards = [...made, ...cards];
  at("cards").prepend(...made.map((parts) => parts.card));
  for (const parts of made) inTurn(() => predict(parts));
}

async function predict(parts) {
  const limit = model.limits.max_upload_bytes;
  if (parts.file.size > limit) {
    say(showProblem(parts, `The file has ${amount(parts.file.size / MIB)} MiB; at most ${amount(limit / MIB)} MiB are taken.`));
    return;
  }
  try {
    const { predictions: [answer] } = await askJson("/predict", form("files", parts.file));
    say(answer.error ? showProblem(parts, answer.error.message) : showAnswer(parts, answer, model));
  } catch (error) {
    say(showProblem(parts, error.message));
  }
}

function clear() {
  for (const parts of cards) parts.forget();
  cards = [];
  at("answers").hidden = true;
  say("Cleared.");
  at("choose").focus();
}

function setUpDrop() {
  const drop = at("drop");
  let depth = 0;
  const lit = (on) => drop.classList.toggle("over-it", on);
  addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; lit(true); });
  addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) lit(false); });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    lit(false);
    add(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); add(event.clipboardData.files); } });
}

at("choose").addEventListener("click", () => at("files").click());
at("files").addEventListener("change", () => { add(at("files").files); at("files").value = ""; });
at("clear").addEventListener("click", clear);
at("entry").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepToken(at("token").value);
  at("entry-problem").textContent = "";
  await begin();
  if (!model) at("entry-problem").textContent = "This token was not accepted.";
  else at("choose").focus();
});
setUpDrop();
setUpCamera({
  open: at("use-camera"), panel: at("camera"), video: at("video"), shoot: at("shoot"), close: at("stop-camera"),
  capture: at("capture"), onPicture: (file) => add([file]),
  onProblem: (message) => { at("problem").textContent = message; },
});
begin();
