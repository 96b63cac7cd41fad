"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A colour "--name" is a variable of the page; only colours are looked up, so that no user's text is changed.
  const coloured = (value, key) => {
    if (Array.isArray(value)) return value.map((item) => coloured(item, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, item]) => [k, coloured(item, k)]));
    return typeof value === "string" && /color/.test(key) && value.startsWith("--") ? css(value) : value;
  };
  const draw = () => {
    for (const place of document.querySelectorAll(".chart")) {
      const figure = coloured(JSON.parse(document.getElementById(place.dataset.figure).textContent), "");
      const base = { gridcolor: css("--edge"), linecolor: css("--edge"), zeroline: false };
      const axis = (own) => ({ ...base, ...own, title: { standoff: 8, ...own.title } });
      const layout = {
        ...figure.layout,
        height: figure.height,
        margin: { l: 55, r: 12, t: 26, b: 70 },
        font: { family: "system-ui, sans-serif", size: 12, color: css("--ink") },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0 },
        xaxis: axis(figure.layout.xaxis),
        yaxis: axis(figure.layout.yaxis),
      };
      Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
    }
  };
  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
