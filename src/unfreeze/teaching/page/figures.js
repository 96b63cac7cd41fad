// What has been learned, how good it is, and what is missing.

import { element, percent } from "./cards.js";
import { at, plural } from "./parts.js";
import { scale } from "./scale.js";
import { thumbnails } from "./thumbnails.js";

const DOING = {
  loading: "Loading the network",
  reading: "Reading pictures",
  computing: "Looking at new pictures",
  fitting: "Learning",
  judging: "Finding out how good it is",
  saving: "Saving a run",
};
let shown = null;
let missing = null;
let told = null;

export function showFigures(state) {
  const { work, taught } = state;
  at("now").textContent = now(state);
  const bar = at("progress");
  bar.hidden = work.doing === "resting" || !work.total;
  if (!bar.hidden) { bar.max = work.total; bar.value = work.n; }
  const lines = JSON.stringify([state.missing, state.unreadable, state.notes]);
  if (lines !== missing) {
    missing = lines;
    at("missing").replaceChildren(...state.missing.map((text) => element("li", {}, text)), ...more(state));
  }
  at("failure").textContent = state.failure ?? "";
  at("figures").classList.toggle("stale", Boolean(taught) && !taught.is_current);
  const key = JSON.stringify(taught);
  if (key !== shown) {
    shown = key;
    const isOpen = at("figures").querySelector("details")?.open;
    at("figures").replaceChildren(...(taught ? figures(taught) : []));
    const details = at("figures").querySelector("details");
    if (isOpen && details) details.open = true;
  }
  tell(state);
}

// Says what stands here to those who hear the page: when it has come to rest, and not with every picture.
function tell(state) {
  const { taught, missing: lacking, failure } = state;
  if (!state.is_settled) return;
  const known = taught?.accuracy ? `${percent(taught.accuracy.value)} of pictures that it had not seen are recognised.` : taught?.untold;
  const text = [now(state), known, ...lacking, failure].filter(Boolean).join(" ");
  if (text === told) return;
  told = text;
  at("learned-told").textContent = text;
}

function now({ work, taught, is_settled }) {
  if (work.doing !== "resting") return `${DOING[work.doing]}${work.total ? `: ${work.n} of ${work.total}` : " …"}`;
  if (!taught) return "Nothing has been learned yet.";
  if (!is_settled) return "Learning …";
  return `Learned ${plural(taught.classes.length, "class", "classes")} from ${plural(taught.n_pictures, "picture", "pictures")} in ${taught.seconds.toFixed(1)} s.`;
}

function more({ unreadable, notes }) {
  return [...unreadable.slice(0, 5), ...notes].map((text) => element("li", { class: "muted" }, text));
}

function figures(taught) {
  if (taught.untold) return [element("p", {}, taught.untold)];
  if (!taught.accuracy) return [element("p", { class: "muted" }, "How good it is will be known in a moment.")];
  const { value, low, high } = taught.accuracy;
  const parts = [
    element("p", { class: "figure" }, percent(value)),
    element("p", { class: "muted" }, "of pictures that it had not seen are recognised"),
    ...scale(taught.accuracy, "none", "all"),
  ];
  if (low !== null) parts.push(element("p", {}, `Of 100 such pictures, between ${Math.round(100 * low)} and ${Math.round(100 * high)} would be recognised (95% interval, ${taught.n_folds} folds).`));
  if (Math.abs(taught.balanced_accuracy.value - value) > 0.01) parts.push(element("p", {}, `If every class counts the same: ${taught.balanced_accuracy.text}.`));
  if (taught.n_units < taught.n_pictures) parts.push(element("p", { class: "muted" }, `Frames of one recording, and pictures that are nearly the same, were held out together: ${taught.n_pictures} pictures count as ${taught.n_units}.`));
  parts.push(...confusions(taught), ...mistakes(taught));
  return parts;
}

function confusions({ confusions: found }) {
  if (!found.length) return [];
  const rows = found.slice(0, 3).map(({ truth, prediction, n }) => element("li", {}, `“${truth}” taken for “${prediction}”: ${plural(n, "picture", "pictures")}`));
  return [element("ul", { class: "plain" }, ...rows)];
}

function mistakes({ mistakes: found }) {
  if (!found.length) return [];
  const list = element("ul", { class: "strip" });
  const details = element("details", {}, element("summary", {}, "Pictures it got wrong. Are they where they belong?"), list);
  details.addEventListener("toggle", () => {
    if (!details.open || list.childElementCount) return;
    list.append(...found.map((each) => {
      const item = thumbnails.item(each, { lazy: true });
      const told = `${each.file}: in “${each.truth}”, taken for “${each.prediction}” (${percent(each.probability)})`;
      item.title = told;
      item.querySelector("img").alt = told;
      return item;
    }));
  });
  return [details];
}
