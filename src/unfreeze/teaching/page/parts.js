// Small things that all parts of the page use.

export const at = (id) => document.getElementById(id);
export const say = (text) => { at("status").textContent = text; };
export const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

// Files that are dropped on an element are handed on, and it lights up meanwhile.
export function dropTarget(element, take) {
  let depth = 0;
  const lit = () => element.classList.toggle("over-it", depth > 0);
  element.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; lit(); });
  element.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); lit(); });
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    lit();
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}
