// The classes: a card for each, with its pictures, what is added to it, and what is taken out.

import { element, percent } from "./cards.js";
import { askJson, queue } from "./client.js";
import { at, dropTarget, plural, say } from "./parts.js";
import { holdToRecord } from "./recording.js";
import { thumbnails } from "./thumbnails.js";

const FILES_AT_ONCE = 8;
const BYTES_AT_ONCE = 16 * 1024 ** 2;
const N_SHOWN = 12;

const url = (path, values) => `${path}?${new URLSearchParams(values)}`;

const emptyTally = () => ({ added: 0, known: 0, refused: [], waiting: 0 });

const fileOf = (item) => item?.querySelector("img")?.dataset.file;

function recognised({ value, low, high }) {
  const limits = low === null ? "" : ` (${Math.round(100 * low)} to ${Math.round(100 * high)})`;
  return `${percent(value)} recognised${limits}`;
}

export function classCards({ camera, changed, limits }) {
  const cards = new Map();
  const inTurn = queue(2);
  let n_pending = 0;
  let filming = null; // the card that has the camera
  let hold = null; // the recording that goes on
  let toFocus = null; // the name of a class that is there in a moment

  const stopHolding = holdToRecord(at("record"), camera, () => {
    const card = filming;
    const mine = { card };
    hold = mine;
    say(`Recording for ${card.name}.`);
    const take = (file, id) => send(card, [file], id);
    const end = () => { if (hold === mine) hold = null; if (card.tally) tell(card); };
    return { take, end };
  });
  at("camera-close").addEventListener("click", () => { const card = filming; endFilming(); card?.film.focus(); });

  function endFilming() {
    if (!filming) return;
    stopHolding();
    camera.close(filming);
    hideCamera();
  }

  function hideCamera() {
    at("camera").hidden = true;
    document.querySelector("main").append(at("camera"));
    filming = null;
  }

  async function film(card) {
    if (filming === card) return endFilming();
    const previous = filming;
    try {
      if (!await camera.open(card)) return undefined;
    } catch (error) {
      note(card, error.message, true);
      say(error.message);
      return undefined;
    }
    if (previous) hideCamera();
    filming = card;
    card.head.after(at("camera")); // above the pictures, so that it stays where it is while they become more
    at("camera").hidden = false;
    camera.showIn(at("camera"));
    at("camera-note").textContent = "Every hold is one recording. Record each class at least twice, from different sides: one recording is held out to judge the others by.";
    at("record").focus();
    return undefined;
  }

  function upload(name, files) {
    const card = cards.get(name);
    if (!card || !files.length) return;
    const most = limits().max_upload_bytes;
    card.tally ??= emptyTally();
    for (const file of files.filter((each) => each.size > most)) card.tally.refused.push(`${file.name}: larger than ${Math.floor(most / 1024 ** 2)} MiB.`);
    let batch = [];
    let size = 0;
    for (const file of files.filter((each) => each.size <= most)) {
      if (batch.length >= Math.min(FILES_AT_ONCE, limits().max_files) || (batch.length && size + file.size > Math.min(BYTES_AT_ONCE, most / 2))) {
        send(card, batch);
        batch = [];
        size = 0;
      }
      batch.push(file);
      size += file.size;
    }
    if (batch.length) send(card, batch);
    else tell(card);
  }

  async function send(card, files, recording = null) {
    n_pending += files.length;
    card.tally ??= emptyTally();
    card.tally.waiting += files.length;
    tell(card);
    const body = new FormData();
    if (recording) body.append("recording", recording);
    for (const file of files) body.append("files", file, file.name || "picture");
    try {
      const { pictures } = await inTurn(() => askJson(url("/teach/pictures", { name: card.name }), { method: "POST", body }));
      for (const each of pictures) {
        if (each.outcome === "refused") card.tally.refused.push(each.reason);
        else card.tally[each.outcome] += 1;
      }
    } catch (error) {
      card.tally.refused.push(error.message);
    }
    n_pending -= files.length;
    card.tally.waiting -= files.length;
    tell(card);
    changed();
  }

  function tell(card) {
    const { added, known, refused, waiting } = card.tally;
    const parts = [];
    if (waiting) parts.push(`Sending ${plural(waiting, "picture", "pictures")} …`);
    if (added) parts.push(`${plural(added, "picture", "pictures")} added.`);
    if (known) parts.push(`${plural(known, "picture was", "pictures were")} here already.`);
    if (refused.length) parts.push(...new Set(refused.slice(0, 3)));
    if (refused.length > 3) parts.push(`And ${refused.length - 3} more.`);
    const text = parts.join(" ");
    note(card, text, refused.length > 0);
    if (!card.card.isConnected) tellOfGone(card);
    if (!waiting && hold?.card !== card) { // a recording is told of once
      say(`${card.name}: ${text}`);
      card.tally = null;
    }
    lock(card);
  }

  // What went wrong with a class that others have renamed or removed is said where the page still has a place for it.
  function tellOfGone({ name, note: line }) {
    if (line.classList.contains("bad")) at("class-problem").textContent = `${name}: ${line.textContent}`;
  }

  // A class keeps its name while pictures are on their way to it.
  function lock(card) {
    for (const button of card.locked) button.disabled = Boolean(card.tally);
  }

  function note(card, text, isBad = false) {
    card.note.textContent = text;
    card.note.classList.toggle("bad", isBad);
  }

  async function attempt(card, path, method) {
    try {
      const found = await askJson(path, { method });
      note(card, "");
      return found;
    } catch (error) {
      note(card, error.message, true);
      say(`${card.name}: ${error.message}`);
      return null;
    } finally {
      changed();
    }
  }

  function startRenaming(card) {
    const field = element("input", { type: "text", maxlength: 100, value: card.name, "aria-label": `A new name for ${card.name}` });
    const go = element("button", {}, "Rename");
    const form = element("form", { class: "rename" }, field, go, element("button", { type: "button", class: "quiet" }, "Cancel"));
    const end = () => { card.locked.delete(go); form.replaceWith(card.title); card.more.focus(); };
    card.locked.add(go);
    lock(card);
    form.querySelector("[type=button]").addEventListener("click", end);
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const found = await attempt(card, url("/teach/classes", { name: card.name, to: field.value }), "PATCH");
      if (found) {
        say(`${card.name} is called ${found.name} now.`);
        toFocus = found.name;
      }
      if (form.isConnected) end();
    });
    card.title.replaceWith(form);
    field.select();
  }

  async function remove(card) {
    if (!confirm(`Take the class “${card.name}” out, with ${plural(card.n_pictures, "picture", "pictures")}? Its folder is moved to .removed.`)) return;
    if (await attempt(card, url("/teach/classes", { name: card.name }), "DELETE")) {
      say(`The class ${card.name} was taken out.`);
      at("class-name").focus();
    }
  }

  function make(name) {
    const title = element("h3", {}, name);
    const count = element("p", { class: "count" });
    const few = element("ul", { class: "strip few", "aria-hidden": "true" });
    const all = element("ul", { class: "strip", "aria-label": `Pictures of ${name}` });
    const details = element("details", {}, element("summary", {}, "All pictures"), all);
    const files = element("input", { type: "file", multiple: "", accept: "image/*,.tif,.tiff,.dcm", hidden: "" });
    const choose = element("button", { type: "button" }, "Add pictures");
    const filmButton = element("button", { type: "button" }, "Camera");
    const rename = element("button", { type: "button", class: "quiet" }, "Rename");
    const drop = element("button", { type: "button", class: "quiet" }, "Remove");
    for (const [button, what] of [[choose, "Add pictures to"], [filmButton, "Record by camera for"], [rename, "Rename"], [drop, "Remove"]])
      button.setAttribute("aria-label", `${what} ${name}`);
    const noteLine = element("p", { class: "note" }); // said by `say`, and not with every frame
    const head = element("div", { class: "head" }, title, element("span", {}, rename, drop));
    const box = element("article", { class: "class", "aria-label": name }, head, count, few, details, element("div", { class: "row" }, choose, filmButton, files), noteLine);
    box.dataset.name = name;
    const card = { name, card: box, head, title, count, few, all, details, note: noteLine, film: filmButton, choose, more: rename, locked: new Set([rename, drop]), tally: null, n_pictures: null, listed: null, lost: () => { stopHolding(); hideCamera(); } };
    choose.addEventListener("click", () => files.click());
    files.addEventListener("change", () => { upload(name, [...files.files]); files.value = ""; });
    filmButton.addEventListener("click", () => film(card));
    rename.addEventListener("click", () => startRenaming(card));
    drop.addEventListener("click", () => remove(card));
    details.addEventListener("toggle", () => { if (details.open) showAll(card); });
    dropTarget(box, (dropped) => upload(name, dropped));
    return card;
  }

  async function list(card) {
    try {
      const { pictures } = await askJson(url("/teach/pictures", { name: card.name }));
      card.pictures = pictures;
    } catch {
      return; // the next change asks again
    }
    card.few.replaceChildren(...card.pictures.slice(0, N_SHOWN).map((each) => thumbnails.item(each)));
    if (card.details.open) showAll(card);
  }

  function showAll(card) {
    const items = (card.pictures ?? []).map((each, number) => {
      const item = thumbnails.item(each, { lazy: true });
      const button = element("button", { type: "button", "aria-label": `Remove picture ${number + 1} of ${card.name}`, title: "Remove" }, "×");
      button.addEventListener("click", async () => {
        const next = item.nextElementSibling ?? item.previousElementSibling;
        button.disabled = true;
        if (await attempt(card, url("/teach/pictures", { file: each.file }), "DELETE")) {
          item.remove();
          say(`A picture of ${card.name} was removed.`);
          (next?.querySelector("button") ?? card.choose).focus();
        } else button.disabled = false;
      });
      item.append(button);
      return item;
    });
    const focused = fileOf(document.activeElement?.closest?.("li"));
    card.all.replaceChildren(...items);
    if (focused) items.find((item) => fileOf(item) === focused)?.querySelector("button").focus();
  }

  function show(state) {
    const names = state.classes.map((each) => each.name);
    for (const [name, card] of cards)
      if (!names.includes(name)) {
        if (filming === card) endFilming();
        card.card.remove();
        cards.delete(name);
        tellOfGone(card);
      }
    let before = null;
    for (const each of state.classes) {
      if (!cards.has(each.name)) cards.set(each.name, make(each.name));
      const card = cards.get(each.name);
      if (card.card.parentNode !== at("list") || card.card.previousElementSibling !== before) at("list").insertBefore(card.card, before ? before.nextSibling : at("list").firstChild);
      before = card.card;
      const recall = each.recall && state.taught?.is_current ? ` · ${recognised(each.recall)}` : "";
      card.count.textContent = `${plural(each.n_pictures, "picture", "pictures")}${recall}`;
      card.details.hidden = each.n_pictures === 0;
      card.details.querySelector("summary").textContent = `All ${plural(each.n_pictures, "picture", "pictures")}`;
      const listed = `${each.n_pictures} ${state.is_settled ? state.version : ""}`;
      if (card.listed !== listed && (card.n_pictures !== each.n_pictures || state.is_settled)) {
        card.n_pictures = each.n_pictures;
        card.listed = listed;
        list(card);
      }
    }
    if (cards.has(toFocus)) {
      cards.get(toFocus).more.focus();
      toFocus = null;
    }
  }

  return {
    show,
    upload,
    isBusy: () => n_pending > 0,
    focus: (name) => cards.get(name)?.choose.focus(),
    forget: () => { for (const card of cards.values()) card.listed = null; },
  };
}
