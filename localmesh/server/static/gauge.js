// Gauges: an expected share, the observed one and its interval, from 0 to 100 %.

import { html, set, svg, write } from "./dom.js";
import { LABEL_WIDTH } from "./layout.js";
import { percent } from "./words.js";

const GAUGE_WIDTH = LABEL_WIDTH - 20;

/** The gauge in the label of an edge. */
export function drawGauge({ percent: expected, exclusive }, y) {
  const x = (share) => (share / 100) * GAUGE_WIDTH;
  const group = svg("g", { class: "gauge", transform: `translate(10 ${y})` });
  const words = svg("text", { x: 0, y: 13, class: "share" }, `expected ${percent(expected)}${exclusive ? "" : " *"}`);
  const seen = svg("text", { x: GAUGE_WIDTH, y: 13, class: "share observed", "text-anchor": "end" });
  const interval = svg("rect", { class: "interval", y: 21, height: 8, rx: 4, width: 0 });
  const dot = svg("circle", { class: "gauge-observed", cy: 25, r: 4.5, visibility: "hidden" });
  group.append(
    words, seen,
    svg("path", { class: "gauge-track", d: `M0 25H${GAUGE_WIDTH}` }),
    interval, dot,
    svg("path", { class: "gauge-expected", d: `M${x(expected)} 18V32` }),
  );
  return { group, x, seen, interval, dot };
}

/** Show an observed share, or none. */
export function updateGauge(gauge, share) {
  write(gauge.seen, share ? `observed ${percent(share.percent)}` : "");
  set(gauge.dot, { visibility: share ? "visible" : "hidden" });
  set(gauge.interval, { visibility: share ? "visible" : "hidden" });
  if (!share) return;
  set(gauge.dot, { cx: gauge.x(share.percent).toFixed(1) });
  set(gauge.interval, { x: gauge.x(share.low).toFixed(1), width: (gauge.x(share.high) - gauge.x(share.low)).toFixed(1) });
}

/** A small gauge as HTML, for the panel: expected mark, observed dot, interval; in percent. */
export function gauge(expected, { percent: observed, low, high } = {}) {
  const drawn = svg("svg", { viewBox: "0 0 200 18", width: 200, height: 18, class: "gauge", "aria-hidden": true });
  drawn.append(svg("path", { class: "gauge-track", d: "M0 9H200" }));
  if (observed != null) {
    drawn.append(svg("rect", { class: "interval", x: low * 2, y: 5, width: (high - low) * 2, height: 8, rx: 4 }));
    drawn.append(svg("circle", { class: "gauge-observed", cx: observed * 2, cy: 9, r: 4.5 }));
  }
  if (expected != null) drawn.append(svg("path", { class: "gauge-expected", d: `M${expected * 2} 2V16` }));
  return html("div", { class: "gauge-box" }, drawn);
}
