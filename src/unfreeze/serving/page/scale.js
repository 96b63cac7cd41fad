// A share between none and all, with its interval, for the eye alone: what it says stands beside it in words.

import { element } from "./cards.js";

export function scale({ value, low, high }, none, all) {
  if (low === null) return [];
  const span = element("span", { class: "span" });
  const point = element("span", { class: "point" });
  span.style.left = `${100 * low}%`;
  span.style.width = `${100 * (high - low)}%`;
  point.style.left = `${100 * value}%`;
  return [
    element("div", { class: "scale", "aria-hidden": "true" }, span, point),
    element("p", { class: "ends", "aria-hidden": "true" }, element("span", {}, none), element("span", {}, all)),
  ];
}
