// One card for each picture: the picture, what the network says of it, and on demand where it looked.

import { askPicture, form } from "./client.js";

const N_BARS = 5;
const UNSURE = 0.5;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function percent(value) {
  const shown = 100 * value;
  if (shown > 99.9 && value < 1) return ">99.9%";
  if (shown < 0.1 && value > 0) return "<0.1%";
  return shown >= 10 ? `${shown.toFixed(0)}%` : `${shown.toFixed(1)}%`;
}

export function amount(value) {
  return Number(value.toPrecision(4)).toLocaleString("en");
}

// A class and its probability as a bar; a button, where `press` says what happens.
export function bar(name, score, { isChosen, tag = null, press = null }) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
  const label = element("span", { class: "name" }, name);
  if (tag) label.append(" ", element("span", { class: "tag" }, tag));
  const inside = [label, element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "score" }, percent(score))];
  const look = `bar${isChosen ? " chosen" : ""}`;
  if (!press) return element("div", { class: look }, ...inside);
  const button = element("button", { class: look, type: "button", "aria-pressed": "false", title: `Where did it look for “${name}”?` }, ...inside);
  button.dataset.heat = name;
  button.addEventListener("click", press);
  return button;
}

export function makeCard(file) {
  const address = URL.createObjectURL(file);
  const image = element("img", { alt: `The picture ${file.name}`, src: address });
  const frame = element("div", { class: "frame" }, image);
  const caption = element("p", { class: "caption" });
  const said = element("div", { class: "said" }, element("p", { class: "file" }, file.name), element("p", { class: "note" }, "Looking …"));
  const card = element("li", { class: "card" }, element("div", {}, frame, caption), said);
  const parts = {
    card, file, frame, caption, said, preview: image, addresses: [address],
    forget() { for (const each of parts.addresses) URL.revokeObjectURL(each); card.remove(); },
  };
  image.addEventListener("error", () => { // a TIFF, a DICOM, or nothing at all
    parts.preview = element("span", {}, "Your browser shows no preview of this file.");
    frame.replaceChildren(parts.preview);
  }, { once: true });
  return parts;
}

export function showProblem(parts, message) {
  parts.card.classList.add("failed");
  parts.said.replaceChildren(
    element("p", { class: "file" }, parts.file.name),
    element("p", { class: "verdict" }, "This did not work"),
    element("p", { class: "note" }, message),
  );
  return `${parts.file.name}: this did not work. ${message}`;
}

export function showAnswer(parts, answer, model) {
  const told = verdict(answer, model);
  parts.said.replaceChildren(
    element("p", { class: "file" }, answer.file),
    element("p", { class: "verdict" }, told.title, told.sure ? element("span", { class: "sure" }, ` ${told.sure}`) : ""),
    ...told.notes.map((note) => element("p", { class: "note" }, note)),
  );
  if (model.task !== "regression") parts.said.append(...bars(parts, answer, model));
  if (model.heat_maps) parts.said.append(heatButton(parts, answer, model));
  return `${answer.file}: ${told.title}${told.sure ? `, ${told.sure}` : ""}. ${told.notes.join(" ")}`;
}

function verdict(answer, model) {
  if (model.task === "regression") return valueVerdict(answer);
  if (model.task === "multilabel") {
    const found = answer.prediction;
    return { title: found.length ? found.join(", ") : "None of the labels", sure: "", notes: [] };
  }
  const name = answer.prediction;
  const notes = [];
  const top = sorted(answer)[0][0];
  if (top !== name) notes.push(`“${top}” is more frequent, and so more probable; the decision counts all classes the same.`);
  if (sorted(answer)[0][1] < UNSURE) notes.push("It is not sure: no class has even half of the probability.");
  if (answer.set) notes.push(setNote(answer.set, model.conformal.level));
  return { title: name, sure: `${percent(answer.scores[name])} sure`, notes };
}

function setNote(set, level) {
  const holds = `holds the true class in ${+(100 * level).toFixed(1)} of 100 cases`;
  return set.length === 1 ? `The set that ${holds} has only this class.` : `The set that ${holds}: ${set.join(", ")}.`;
}

function valueVerdict(answer) {
  const entries = Object.entries(answer.scores);
  const title = entries.length === 1 ? amount(entries[0][1]) : entries.map(([name, value]) => `${name} ${amount(value)}`).join(", ");
  const notes = Object.entries(answer.intervals ?? {}).map(
    ([name, [low, high]]) => `${name}: most likely between ${amount(low)} and ${amount(high)}.`,
  );
  return { title, sure: entries.length === 1 ? entries[0][0] : "", notes };
}

function sorted(answer) {
  return Object.entries(answer.scores).sort((a, b) => b[1] - a[1]);
}

function isChosen(answer, name) {
  return Array.isArray(answer.prediction) ? answer.prediction.includes(name) : answer.prediction === name;
}

function bars(parts, answer, model) {
  const all = sorted(answer);
  const first = all.filter(([name], i) => i < N_BARS || isChosen(answer, name) || answer.set?.includes(name));
  const rest = all.filter((each) => !first.includes(each));
  const list = (entries, label) => element("ul", { class: "bars", "aria-label": label },
    ...entries.map(([name, score]) => element("li", {}, bar(name, score, {
      isChosen: isChosen(answer, name),
      tag: answer.set?.length > 1 && answer.set.includes(name) ? "in the set" : null,
      press: model.heat_maps ? () => toggleHeat(parts, name) : null,
    }))));
  if (!rest.length) return [list(first, "All classes")];
  const more = element("details", {}, element("summary", {}, `${rest.length} more`), list(rest, "The other classes"));
  return [list(first, "Most probable classes"), more];
}

function heatButton(parts, answer, model) {
  const name = heatName(answer, model);
  const button = element("button", { type: "button", "aria-pressed": "false" }, "Where did it look?");
  button.dataset.main = name;
  button.addEventListener("click", () => toggleHeat(parts, parts.heat ?? name));
  return element("p", { class: "row" }, button);
}

function heatName(answer, model) {
  if (typeof answer.prediction === "string" && model.task === "classification") return answer.prediction;
  return sorted(answer)[0][0];
}

async function toggleHeat(parts, name) {
  const showing = parts.heat;
  if (showing === name) {
    mark(parts, null);
    parts.frame.replaceChildren(parts.preview);
    parts.caption.textContent = "";
    return;
  }
  mark(parts, name);
  parts.caption.textContent = "Drawing …";
  try {
    parts.maps ??= new Map();
    if (!parts.maps.has(name)) {
      const address = URL.createObjectURL(await askPicture("/explain", form("file", parts.file, { class: name })));
      parts.maps.set(name, address);
      parts.addresses.push(address);
    }
    if (parts.heat !== name) return; // another was asked for meanwhile
    parts.frame.replaceChildren(element("img", { src: parts.maps.get(name), alt: `Heat map: where the network looked for ${name}` }));
    parts.caption.textContent = `As the network sees it, in grey. Coloured places spoke for “${name}”, the brightest most.`;
  } catch (error) {
    if (parts.heat !== name) return;
    mark(parts, null);
    parts.caption.textContent = error.message;
  }
}

function mark(parts, name) {
  parts.heat = name;
  for (const button of parts.card.querySelectorAll("[data-heat]")) button.setAttribute("aria-pressed", String(button.dataset.heat === name));
  const main = parts.card.querySelector("[data-main]");
  main.setAttribute("aria-pressed", String(name !== null));
  main.textContent = name === null ? "Where did it look?" : "Show the picture";
}
