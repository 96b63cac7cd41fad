// Keep it: a run is trained and left on disk, and what can be done with it is shown.

import { element } from "./cards.js";
import { askJson, askPicture } from "./client.js";
import { at, say } from "./parts.js";

let shown = null;

export function setUpSaving(changed) {
  at("save-run").addEventListener("click", async () => {
    try {
      await askJson("/teach/save", { method: "POST" });
      say("A run is being saved.");
    } catch (error) {
      shown = null;
      at("saved").replaceChildren(element("p", { class: "problem", role: "alert" }, error.message));
    }
    changed();
  });
}

export function showSaving({ saving, taught }) {
  const isOn = saving?.status === "waiting" || saving?.status === "running";
  at("save-run").disabled = isOn || !taught;
  const bar = at("save-progress");
  bar.hidden = !isOn;
  if (isOn && saving.total) { bar.max = saving.total; bar.value = saving.n; } else bar.removeAttribute("value");
  const key = JSON.stringify(saving);
  if (!saving || key === shown) return;
  shown = key;
  at("saved").replaceChildren(...told(saving));
  if (!isOn) say(at("saved").textContent);
}

function told(saving) {
  if (saving.status === "failed") return [element("p", { class: "problem" }, saving.error)];
  if (saving.status !== "done") return [element("p", { class: "muted" }, `${saving.stage || "In a moment"} …`)];
  const download = element("button", { type: "button" }, "Download the report");
  download.addEventListener("click", save);
  return [
    element("p", {}, "Saved in ", element("code", {}, saving.run)),
    ...saving.commands.map((command) => element("pre", {}, command)),
    element("p", { class: "row" }, download),
    ...saving.notes.map((note) => element("p", { class: "muted" }, note)),
  ];
}

async function save() {
  try {
    const address = URL.createObjectURL(await askPicture("/teach/report"));
    const link = element("a", { href: address, download: "report.html" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    say(error.message);
  }
}
