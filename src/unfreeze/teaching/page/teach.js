// The page of `unfreeze teach`: the classes and their pictures, what has been learned of them, and what to do with it.

import { ServiceError, askJson, keepToken } from "./client.js";
import { setUpCamera } from "./recording.js";
import { classCards } from "./classes.js";
import { showFigures } from "./figures.js";
import { setUpSaving, showSaving } from "./saving.js";
import { setUpTrying } from "./trying.js";
import { at, dropTarget, say } from "./parts.js";

const BUSY_MS = 250;
const QUIET_MS = 1500;
let state = null;
let timer = null;
let n_asked = 0; // an answer that was overtaken by a later one is old

const camera = setUpCamera();
const cards = classCards({ camera, changed: refresh, limits: () => state.limits });
const trying = setUpTrying({ camera, isReady: () => Boolean(state?.taught) });
setUpSaving(refresh);

async function refresh() {
  clearTimeout(timer);
  n_asked += 1;
  const mine = n_asked;
  let next = QUIET_MS;
  try {
    const answer = await askJson("/teach/state");
    if (mine !== n_asked) return;
    state = answer;
    at("entry").hidden = true;
    at("lesson").hidden = false;
    show();
    if (!state.is_settled || cards.isBusy() || ["waiting", "running"].includes(state.saving?.status)) next = BUSY_MS;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (mine !== n_asked) return;
    if (error.status === 401) {
      next = null; // until there is a token
      askForToken();
    } else {
      at("lesson").hidden = state === null;
      at("what").textContent = error.message;
    }
  } finally { // whatever went wrong, it is asked again
    if (mine === n_asked && next !== null) timer = setTimeout(refresh, next);
  }
}

function askForToken() {
  at("entry").hidden = false;
  at("token").focus();
}

function show() {
  const name = state.folder.split(/[\\/]/).filter(Boolean).pop() ?? state.folder;
  document.title = `${name} · unfreeze teach`;
  at("name").textContent = name;
  at("what").textContent = `${state.folder} · ${state.model}${state.size ? ` at ${state.size[1]} × ${state.size[0]} px` : ""}`;
  cards.show(state);
  showFigures(state);
  showSaving(state);
  trying.show(state);
}

at("new-class").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = at("class-name");
  const asked = field.value;
  try {
    const { name } = await askJson(`/teach/classes?name=${encodeURIComponent(asked)}`, { method: "POST" });
    at("class-problem").textContent = "";
    if (field.value === asked) field.value = ""; // the next name may have been typed meanwhile
    say(`The class ${name} was added.`);
    await refresh();
    if (!field.value) cards.focus(name);
  } catch (error) {
    at("class-problem").textContent = error.message;
    field.focus();
  }
});
at("rescan").addEventListener("click", async () => {
  try {
    await askJson("/teach/rescan", { method: "POST" });
    cards.forget();
    say("The folder is read again.");
  } catch (error) {
    at("class-problem").textContent = error.message;
  }
  refresh();
});
at("entry").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepToken(at("token").value);
  at("entry-problem").textContent = "";
  await refresh();
  at("entry-problem").textContent = at("entry").hidden ? "" : "This token was not accepted.";
});

// A picture that is pasted or dropped goes where the pointer or the focus last was: to a class, or to be tried.
let target = trying;
for (const kind of ["pointerover", "focusin"])
  addEventListener(kind, (event) => {
    const name = event.target.closest?.(".class")?.dataset.name;
    if (name !== undefined) target = { take: (files) => cards.upload(name, files) };
    else if (event.target.closest?.("#try")) target = trying;
  });
addEventListener("paste", (event) => {
  if (!event.clipboardData.files.length) return;
  event.preventDefault();
  target.take([...event.clipboardData.files]);
});
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
dropTarget(at("try-drop"), (files) => trying.take(files));
refresh();
