// Try it: a picture, or what the camera sees, and what the head takes it for.

import { bar, element, percent } from "./cards.js";
import { askJson, form } from "./client.js";
import { at, say } from "./parts.js";

const WATCH_MS = 150;
const LONGEST_WAIT_MS = 5000; // between frames, while the service does not answer

export function setUpTrying({ camera, isReady }) {
  let last = null; // the file that is shown
  let address = null;
  let learned = "";
  const watcher = { lost: () => stopWatching(false) };
  let watching = null; // the turn of watching that goes on
  let n_asked = 0; // an answer that was overtaken belongs to another picture

  // Shows what a picture is taken for; false if the service did not say.
  async function predict(file, how) {
    n_asked += 1;
    const mine = n_asked;
    try {
      const { predictions: [answer] } = await askJson("/teach/predict", form("files", file));
      if (mine !== n_asked) return true;
      if (answer.error) problem(answer.error.message);
      else show(answer, how);
      return true;
    } catch (error) {
      if (mine === n_asked) problem(error.message);
      return false;
    }
  }

  function show(answer, { live = false, spoken = !live } = {}) {
    const order = live ? ([a], [b]) => a.localeCompare(b) : ([, a], [, b]) => b - a; // bars that move must not change places
    const bars = Object.entries(answer.scores).sort(order)
      .map(([name, score]) => element("li", {}, bar(name, score, { isChosen: name === answer.prediction })));
    at("answer").replaceChildren(element("p", { class: "verdict" }, answer.prediction), element("ul", { class: "bars", "aria-label": "All classes" }, ...bars));
    if (spoken) say(`${answer.prediction}, ${percent(answer.scores[answer.prediction])}`);
  }

  function problem(text) {
    if (at("answer").querySelector(".problem")?.textContent === text) return; // said already
    at("answer").replaceChildren(element("p", { class: "problem", role: "alert" }, text));
  }

  function take(files) {
    if (!files.length) return;
    if (watching) stopWatching();
    last = files[0];
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(last);
    const image = element("img", { alt: `The picture ${last.name}`, src: address });
    at("try-frame").replaceChildren(image);
    image.addEventListener("error", () => at("try-frame").replaceChildren("Your browser shows no preview of this file."), { once: true });
    at("try-frame").hidden = false;
    at("answer").replaceChildren(element("p", { class: "muted" }, "Looking …"));
    predict(last);
  }

  async function startWatching() {
    try {
      if (!await camera.open(watcher)) return;
    } catch (error) {
      problem(error.message);
      return;
    }
    const mine = {};
    watching = mine;
    last = null;
    at("try-frame").hidden = false;
    camera.showIn(at("try-frame"), (video) => at("try-frame").replaceChildren(video));
    mark();
    let wait = WATCH_MS;
    while (watching === mine) {
      const file = isReady() ? await camera.frame() : null;
      const isAnswered = !file || watching !== mine || await predict(file, { live: true });
      wait = isAnswered ? WATCH_MS : Math.min(2 * wait, LONGEST_WAIT_MS);
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }

  function stopWatching(giveBack = true) {
    watching = null;
    n_asked += 1; // what is still to be answered is seen no more
    if (giveBack) camera.close(watcher);
    camera.showIn(at("camera"));
    at("try-frame").replaceChildren();
    at("try-frame").hidden = true;
    mark();
  }

  function mark() {
    at("try-camera").setAttribute("aria-pressed", String(watching !== null));
    at("try-camera").textContent = watching ? "Stop watching" : "Watch the camera";
  }

  at("try-choose").addEventListener("click", () => at("try-files").click());
  at("try-files").addEventListener("change", () => { take([...at("try-files").files]); at("try-files").value = ""; });
  at("try-camera").addEventListener("click", () => (watching ? stopWatching() : startWatching()));

  return {
    take,
    // What is shown is asked about again when something else has been learned.
    show({ taught, version }) {
      const now = taught?.is_current ? `${version}` : learned;
      if (now !== learned && last) predict(last, { spoken: false });
      learned = now;
    },
  };
}
