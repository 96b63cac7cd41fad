// Try it: a picture, or what the camera sees, and what the head takes it for.

import { element, percent } from "./cards.js";
import { askJson, form } from "./client.js";
import { at, say } from "./parts.js";

const WATCH_MS = 150;

export function setUpTrying({ camera, isReady }) {
  let last = null; // the file that is shown
  let address = null;
  let learned = "";
  const watcher = { lost: () => stopWatching(false) };
  let watching = false;

  async function predict(file, how) {
    try {
      const { predictions: [answer] } = await askJson("/teach/predict", form("files", file));
      if (answer.error) problem(answer.error.message);
      else show(answer, how);
    } catch (error) {
      problem(error.message);
    }
  }

  function show(answer, { live = false, spoken = !live } = {}) {
    const order = live ? ([a], [b]) => a.localeCompare(b) : ([, a], [, b]) => b - a; // bars that move must not change places
    const bars = Object.entries(answer.scores).sort(order).map(([name, score]) => {
      const fill = element("span", { class: "fill" });
      fill.style.width = `${100 * score}%`;
      const look = `bar${name === answer.prediction ? " chosen" : ""}`;
      return element("li", {}, element("div", { class: look }, element("span", { class: "name" }, name),
        element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "score" }, percent(score))));
    });
    at("answer").replaceChildren(element("p", { class: "verdict" }, answer.prediction), element("ul", { class: "bars", "aria-label": "All classes" }, ...bars));
    if (spoken) say(`${answer.prediction}, ${percent(answer.scores[answer.prediction])}`);
  }

  function problem(text) {
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
    predict(last);
  }

  async function startWatching() {
    try {
      await camera.open(watcher);
    } catch (error) {
      problem(error.message);
      return;
    }
    watching = true;
    last = null;
    at("try-frame").hidden = false;
    camera.showIn(at("try-frame"), (video) => at("try-frame").replaceChildren(video));
    mark();
    while (watching) {
      const file = isReady() ? await camera.frame() : null;
      if (file && watching) await predict(file, { live: true });
      await new Promise((resolve) => { setTimeout(resolve, WATCH_MS); });
    }
  }

  function stopWatching(giveBack = true) {
    watching = false;
    if (giveBack) camera.close(watcher);
    camera.showIn(at("camera"));
    at("try-frame").replaceChildren();
    at("try-frame").hidden = true;
    mark();
  }

  function mark() {
    at("try-camera").setAttribute("aria-pressed", String(watching));
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
