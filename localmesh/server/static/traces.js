// The last requests as traces: a list, and the spans of one as a waterfall.

import { html } from "./dom.js";
import { clock, duration } from "./words.js";

const LIMIT = 200;
const SHOWN = 30;

/** The tab of traces; those of what is selected, or all. */
export class Traces {
  constructor(element, mesh) {
    this.element = element;
    this.mesh = mesh;
    this.selected = null;
  }

  /** Fetch and list the newest traces. */
  async show(selected = this.selected) {
    this.selected = selected;
    const names = servicesOf(selected, this.mesh);
    const answer = await fetch(`/mesh/traces?limit=${LIMIT}`);
    const all = answer.ok ? (await answer.json()).traces : [];
    const found = all.filter((trace) => names.every((name) => trace.services.includes(name))).slice(0, SHOWN);
    this.element.replaceChildren(
      html("div", { class: "heading" },
        html("h2", {}, names.length ? `Requests of ${names.map((name) => name.split(".")[0]).join(" and ")}` : "The last requests"),
        html("button", { type: "button", onclick: () => this.show() }, "Refresh"),
      ),
      html("p", { class: "muted" }, "Each is a trace of the spans that the Envoys make."),
      found.length
        ? html("ul", { class: "rows" }, found.map((trace) => html("li", {}, html("button", { type: "button", onclick: () => this.open(trace.traceId) }, ...summary(trace)))))
        : html("p", { class: "muted" }, "There are none yet."),
    );
  }

  /** Show the spans of one trace. */
  async open(id) {
    const answer = await fetch(`/mesh/traces/${id}`);
    if (!answer.ok) return this.show();
    const trace = await answer.json();
    this.element.replaceChildren(
      html("button", { type: "button", class: "quiet back", onclick: () => this.show() }, "← The last requests"),
      html("h2", {}, shortened(trace.name)),
      html("p", { class: "muted" }, `${clock(trace.start)} · ${duration(trace.durationMs)} · ${trace.spans} spans · ${trace.traceId}`),
      html("ol", { class: "waterfall" }, trace.tree.map((span) => row(span, trace.durationMs))),
    );
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
