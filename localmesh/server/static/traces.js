// The last requests as traces: a list, and the spans of one as a waterfall.

import { html } from "./dom.js";
import { clock, duration } from "./words.js";

const LIMIT = 200;
const LATEST = 50; // how many are asked for each second
const SHOWN = 30;
const ARRIVING_MS = 3000; // Envoys send their spans twice a second, so some of a new trace come later

/** The tab of traces: the last requests, as they come, of what is selected or of all. */
export class Traces {
  constructor(element, mesh) {
    this.element = element;
    this.mesh = mesh;
    this.selected = null;
    this.list = null;
    this.opened = null;
  }

  /** List the newest traces. */
  async show(selected = this.selected) {
    this.selected = selected;
    this.opened = null;
    this.names = servicesOf(selected, this.mesh);
    this.known = new Map();
    this.list = html("ul", { class: "rows" });
    this.none = html("p", { class: "muted" }, "There are none yet.");
    const pause = html("button", { type: "button", "aria-pressed": "false", onclick: () => {
      this.paused = !this.paused;
      pause.setAttribute("aria-pressed", String(this.paused));
      pause.textContent = this.paused ? "Continue" : "Pause";
    } }, "Pause");
    this.paused = false;
    this.element.replaceChildren(
      html("div", { class: "heading" },
        html("h2", {}, this.names.length ? `Requests of ${this.names.map((name) => name.split(".")[0]).join(" and ")}` : "The last requests"),
        pause,
      ),
      html("p", { class: "muted" }, "Each is a trace of the spans that the Envoys make."),
      this.list,
      this.none,
    );
    await this.load(LIMIT);
  }

  /** Add what has come since the last second; what has the focus stays where it is. */
  update() {
    if (this.opened && performance.now() < this.opened.until) this.complete(this.opened);
    if (this.list?.isConnected && !this.element.hidden && !this.paused && !this.busy) this.load(LATEST);
  }

  async load(limit) {
    const list = this.list;
    this.busy = true;
    try {
      const answer = await asked(`/mesh/traces?limit=${limit}`);
      if (answer && list === this.list) this.take(answer.traces);
    } finally {
      this.busy = false;
    }
  }

  take(traces) {
    for (const trace of traces.filter((each) => this.names.every((name) => each.services.includes(name)))) {
      const row = this.known.get(trace.traceId)?.row ?? html("li", {}, html("button", { type: "button", onclick: () => this.open(trace.traceId) }));
      const text = JSON.stringify([trace.status, trace.durationMs, trace.name]);
      if (this.known.get(trace.traceId)?.text !== text) row.firstChild.replaceChildren(...summary(trace));
      this.known.set(trace.traceId, { row, text, start: trace.start });
    }
    const newest = [...this.known].sort(([, a], [, b]) => b.start - a.start);
    for (const [id, { row }] of newest.splice(SHOWN)) {
      this.known.delete(id);
      row.remove();
    }
    newest.forEach(([, { row }], i) => { if (this.list.children[i] !== row) this.list.insertBefore(row, this.list.children[i] ?? null); });
    this.none.hidden = newest.length > 0;
  }

  /** Show the spans of one trace, and those that are still to come. */
  async open(id) {
    this.list = null;
    this.opened = { id, spans: 0, until: performance.now() + ARRIVING_MS };
    await this.complete(this.opened);
  }

  async complete(opened) {
    const trace = await asked(`/mesh/traces/${opened.id}`);
    if (opened !== this.opened) return;
    if (!trace && !opened.spans) return this.show();
    if (!trace || trace.spans === opened.spans) return;
    opened.spans = trace.spans;
    this.element.replaceChildren(
      html("button", { type: "button", class: "quiet back", onclick: () => this.show() }, "← The last requests"),
      html("h2", {}, shortened(trace.name)),
      html("p", { class: "muted" }, `${clock(trace.start)} · ${duration(trace.durationMs)} · ${trace.spans} spans · ${trace.traceId}`),
      html("ol", { class: "waterfall" }, trace.tree.map((span) => row(span, trace.durationMs))),
    );
  }
}

/** What the API answers; null if it has no answer, or if the mesh has stopped: the page says so elsewhere. */
async function asked(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}

/** The names that spans have for the services of a node, or of both ends of an edge. */
function servicesOf(selected, mesh) {
  if (!selected) return [];
  const edge = selected.kind === "edge" ? mesh.edge(selected.id) : null;
  const nodes = edge ? [mesh.node(edge.source), mesh.node(edge.target)] : [mesh.node(selected.id)];
  return [...new Set(nodes.filter((node) => node?.namespace).map((node) => `${node.name}.${node.namespace}`))];
}

/** The name of a span without what all names have: `webapp:80/*` for a route or a cluster of that host. */
function shortened(name) {
  const cluster = /^router outbound\|(\d+)\|([^|]*)\|(.+) egress$/.exec(name);
  const text = cluster ? `${cluster[3]}:${cluster[1]} ${cluster[2]}`.trim() : name;
  return text.replace(/\.[\w-]+\.svc\.cluster\.local/, "");
}

function summary(trace) {
  const failed = trace.errors > 0;
  return [
    html("span", {}, html("time", { class: "muted" }, clock(trace.start)), " ", shortened(trace.name)),
    html("span", { class: failed ? "number failed-text" : "number" }, `${trace.status} · ${duration(trace.durationMs)}`),
  ];
}

function row(span, total) {
  const share = (value) => `${((100 * value) / (total || 1)).toFixed(2)}%`;
  const bar = html("span", { class: span.error ? "bar failed" : "bar" });
  bar.style.marginInlineStart = share(Math.min(span.startMs, total));
  bar.style.width = share(span.durationMs);
  const flags = span.attributes.response_flags && span.attributes.response_flags !== "-" ? ` ${span.attributes.response_flags}` : "";
  const name = html("span", { class: "span-name" }, html("strong", {}, span.service.split(".")[0]), ` ${span.kind === "client" ? "→ " : ""}${shortened(span.name)}`);
  name.style.paddingInlineStart = `${0.7 * span.depth}rem`;
  return html("li", {},
    html("details", {},
      html("summary", {}, name, html("span", { class: span.error ? "number failed-text" : "number" }, `${span.attributes["http.status_code"] ?? ""}${flags} ${duration(span.durationMs)}`), html("span", { class: "track" }, bar)),
      html("pre", {}, Object.entries(span.attributes).map(([key, value]) => `${key}: ${value}`).join("\n")),
    ),
  );
}
