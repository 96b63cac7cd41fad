// Small pictures, fetched with the token where there is one, a few at a time, and only those that are seen.

import { element } from "./cards.js";
import { askPicture, queue } from "./client.js";

const MOST_KEPT = 600;
const inTurn = queue(4);
const addresses = new Map(); // by file and version

async function addressOf(file, version) {
  const key = `${version} ${file}`;
  if (!addresses.has(key)) {
    const path = `/teach/thumbnail?${new URLSearchParams({ file, v: version })}`;
    addresses.set(key, inTurn(() => askPicture(path)).then((blob) => URL.createObjectURL(blob)));
    if (addresses.size > MOST_KEPT) forget(addresses.keys().next().value);
  }
  return addresses.get(key);
}

function forget(key) {
  const address = addresses.get(key);
  addresses.delete(key);
  address.then((url) => URL.revokeObjectURL(url), () => {});
}

async function load(image) {
  const { file, version } = image.dataset;
  try {
    image.src = await addressOf(file, version);
  } catch {
    addresses.delete(`${version} ${file}`);
    image.alt = "No preview";
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting) {
      seen.unobserve(target);
      load(target);
    }
});

export const thumbnails = {
  // An <li> with the picture; its content comes when it is there.
  item({ file, version = "", recorded = false }, { lazy = false } = {}) {
    const image = element("img", { alt: "" });
    image.dataset.file = file;
    image.dataset.version = version;
    if (lazy) seen.observe(image);
    else load(image);
    return element("li", recorded ? { class: "recorded", title: "From a recording" } : {}, image);
  },
};
