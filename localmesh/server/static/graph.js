// The picture: nodes and edges, laid out once for each shape of the mesh and updated with every frame.

import { set, svg, write } from "./dom.js";
import { drawGauge, updateGauge } from "./gauge.js";
import { GAUGE, labelHeight, LABEL_WIDTH, layout, LINE, lines, MANY_NODES, NODE, pathOf } from "./layout.js";
import { bytes, carried, duration, percent, rate, title } from "./words.js";

const LOCK = "M3.5 6V4.2a2.5 2.5 0 0 1 5 0V6M2.5 6h7v5h-7Z";

/** The picture in an SVG element; `select` is called with what is clicked. */
export class Picture {
  constructor(root, select) {
    this.root = root;
    this.select = select;
    this.nodes = new Map();
    this.edges = new Map();
    this.view = null;
    new ResizeObserver(() => this.fit()).observe(root);
    this.listen();
  }

  /** Draw a graph; the place of everything stays the same as long as nodes and edges do. */
  draw(graph, pods) {
    this.graph = graph;
    const shape = JSON.stringify([graph.nodes.map((n) => n.id), graph.edges.map((e) => [e.id, lines(e)])]);
    if (shape !== this.shape || this.graph === undefined) {
      this.shape = shape;
      const directions = graph.nodes.length > MANY_NODES ? ["LR"] : ["TB", "LR"];
      this.layouts = directions.map((direction) => layout(graph, direction));
      this.direction = null;
    }
    this.fit(true);
    this.showPods(pods);
  }

  /** Choose the direction in which the graph is larger, and make it fill the picture. */
  fit(again = false) {
    if (!this.layouts) return;
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!width || !height) return;
    const scale = (made) => Math.min(width / made.graph().width, height / made.graph().height);
    const chosen = this.layouts.reduce((a, b) => (scale(b) > scale(a) * 1.05 ? b : a));
    if (again || chosen !== this.layout) this.build(chosen);
    const { width: w, height: h } = chosen.graph();
    const s = Math.min(scale(chosen), 1.7);
    this.home = { x: w / 2 - width / s / 2, y: h / 2 - height / s / 2, width: width / s, height: height / s };
    this.show(this.home);
  }

  show(view) {
    this.view = view;
    set(this.root, { viewBox: `${view.x} ${view.y} ${view.width} ${view.height}` });
  }

  build(made) {
    const focused = document.activeElement?.dataset?.id;
    this.layout = made;
    this.nodes.clear();
    this.edges.clear();
    const byId = new Map(this.graph.nodes.map((node) => [node.id, node]));
    const many = this.graph.nodes.length > MANY_NODES;
    const below = svg("g"), labels = svg("g"), above = svg("g");
    for (const edge of this.graph.edges) {
      const place = made.edge(edge.source, edge.target);
      if (!place) continue;
      const drawn = drawEdge(edge, place, byId, many, made.direction);
      this.edges.set(edge.id, drawn);
      below.append(drawn.paths);
      labels.append(drawn.label);
      this.activate(drawn.label, "edge", edge.id);
      drawn.paths.addEventListener("click", () => this.select("edge", edge.id));
    }
    for (const node of this.graph.nodes) {
      const drawn = drawNode(node, made.node(node.id));
      this.nodes.set(node.id, drawn);
      above.append(drawn.group);
      this.activate(drawn.group, "node", node.id);
    }
    this.root.classList.toggle("many", many);
    this.root.replaceChildren(svg("g", {}, below, above, labels));
    if (focused) [...this.root.querySelectorAll("[data-id]")].find((e) => e.dataset.id === focused)?.focus();
    if (this.last) this.update(this.last);
    if (this.pods) this.showPods(this.pods);
    this.mark(this.selected);
  }

  activate(element, kind, id) {
    element.dataset.id = id;
    set(element, { tabindex: 0, role: "button" });
    element.addEventListener("click", () => this.select(kind, id));
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.select(kind, id);
    });
  }

  /** Mark what is selected. */
  mark(selected) {
    this.selected = selected;
    for (const [id, drawn] of this.nodes) drawn.group.classList.toggle("selected", selected?.id === id);
    for (const [id, drawn] of this.edges) {
      const on = selected?.id === id;
      drawn.label.classList.toggle("selected", on);
      drawn.paths.classList.toggle("selected", on);
    }
  }

  /** Show what happened in the last seconds. */
  update(frame) {
    this.last = frame;
    this.ejected = new Set(frame.ejected);
    for (const [id, drawn] of this.edges) updateEdge(drawn, frame.edges[id]);
    for (const [id, drawn] of this.nodes) updateNode(drawn, frame.filters[id]);
    if (this.pods) this.showPods(this.pods);
  }

  /** Show the pods of each node: ready or not, ejected or not. */
  showPods(pods) {
    this.pods = pods;
    for (const [id, drawn] of this.nodes) showPods(drawn, pods[id] ?? [], this.ejected ?? new Set());
  }

  listen() {
    const root = this.root;
    root.addEventListener("wheel", (event) => {
      if (!this.view) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.12 : 1 / 1.12, event);
    }, { passive: false });
    let from = null;
    root.addEventListener("pointerdown", (event) => { if (event.target === root) from = [event.clientX, event.clientY, this.view]; });
    root.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y, view] = from, unit = view.width / root.clientWidth;
      this.show({ ...view, x: view.x - (event.clientX - x) * unit, y: view.y - (event.clientY - y) * unit });
    });
    addEventListener("pointerup", () => { from = null; });
    root.addEventListener("click", (event) => { if (event.target === root && this.selected) this.select(null); });
    root.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") this.zoom(1 / 1.2);
      if (event.key === "-") this.zoom(1.2);
      if (event.key === "0") this.show(this.home);
    });
  }

  zoom(factor, at) {
    const { x, y, width, height } = this.view, box = this.root.getBoundingClientRect();
    const fx = at ? (at.clientX - box.x) / box.width : 0.5, fy = at ? (at.clientY - box.y) / box.height : 0.5;
    this.show({ x: x + width * (1 - factor) * fx, y: y + height * (1 - factor) * fy, width: width * factor, height: height * factor });
  }
}

function drawEdge(edge, place, byId, many, direction) {
  const path = pathOf(place, direction, many ? 0 : labelHeight(edge));
  const line = svg("path", { d: path, class: "line" });
  const failed = svg("path", { d: path, class: "line failed", pathLength: 100 });
  const flow = svg("path", { d: path, class: "flow" });
  const hit = svg("path", { d: path, class: "hit" });
  const paths = svg("g", { class: edge.mirror?.only ? "edge copies" : "edge" }, line, failed, flow, hit);
  const at = many ? place.points[Math.floor(place.points.length / 2)] : place;
  const height = labelHeight(edge);
  const label = svg("g", { class: "label", transform: `translate(${at.x - LABEL_WIDTH / 2} ${at.y - height / 2})` });
  label.append(svg("rect", { width: LABEL_WIDTH, height, rx: 7 }));
  if (edge.tls === "mTLS") label.append(svg("path", { d: LOCK, class: "lock", transform: "translate(5 4)" }));
  const text = (line, name) => svg("text", { x: name === "first" ? 22 : 8, y: 16 + line * LINE, class: name });
  const drawn = { edge, line, failed, flow, paths, label, title: `${title(byId.get(edge.source))} to ${title(byId.get(edge.target))}` };
  let row = 0;
  drawn.rate = svg("tspan", { class: "rate" });
  drawn.errors = svg("tspan", { class: "errors", dx: 8 });
  const first = text(row++, edge.tls === "mTLS" ? "first" : "plain");
  drawn.refused = svg("tspan", { dx: 8 });
  first.append(drawn.rate, drawn.errors, drawn.refused);
  drawn.durations = text(row++, "muted");
  label.append(first, drawn.durations);
  if (edge.expected) {
    drawn.gauge = drawGauge(edge.expected, row * LINE + 4);
    label.append(drawn.gauge.group);
  }
  const top = edge.expected ? GAUGE : 0;
  const note = (said) => {
    const element = svg("text", { x: 8, y: 16 + top + row++ * LINE, class: "note" }, said);
    label.append(element);
    return element;
  };
  if (edge.mirror) note(edge.mirror.only ? `mirrored copies of ${percent(edge.mirror.percent)}` : `plus copies of ${percent(edge.mirror.percent)}`);
  for (const fault of edge.faults) note(faultText(fault));
  if (edge.limits) drawn.circuit = note("circuit breaker closed");
  if (edge.ejects) drawn.ejects = note("outlier detection");
  return drawn;
}

function faultText(fault) {
  const what = fault.delay ? `delay of ${fault.delay}` : `abort with ${fault.status}`;
  return `fault: ${what}, ${percent(fault.percent)}${fault.when.length ? " *" : ""}`;
}

function updateEdge(drawn, seen) {
  const { edge } = drawn;
  const active = Boolean(seen && (seen.rate > 0 || (edge.tcp && seen.sent + seen.received > 0)));
  drawn.paths.classList.toggle("active", active);
  drawn.label.classList.toggle("active", active);
  const width = active ? Math.min(8, 1.6 + 1.5 * Math.log10(1 + seen.rate)) : 1.4;
  set(drawn.line, { "stroke-width": width.toFixed(1) });
  const failing = active ? seen.errors : 0;
  set(drawn.failed, { "stroke-width": width.toFixed(1), "stroke-dasharray": `0 ${100 - failing} ${failing} 0`, visibility: failing ? "visible" : "hidden" });
  // a new duration restarts the animation: only when the rate is clearly another one
  const speed = active ? Math.round(2 * Math.log2(1 + seen.rate)) : 0;
  if (speed !== drawn.speed) {
    drawn.speed = speed;
    drawn.flow.style.animationDuration = speed ? `${(5 / speed).toFixed(2)}s` : "";
  }
  const each = edge.tcp ? "connections" : edge.mirror?.only ? "copies" : "req";
  write(drawn.rate, active ? `${rate(seen.rate)} ${each}/s` : `no ${carried(edge)}`);
  write(drawn.errors, failing ? `${percent(failing)} 5xx` : "");
  write(drawn.refused, active && seen.clientErrors ? `${percent(seen.clientErrors)} 4xx` : "");
  write(drawn.durations, active && edge.tcp ? `sent ${bytes(seen.sent)} · received ${bytes(seen.received)}` : durations(seen, active));
  if (drawn.gauge) updateGauge(drawn.gauge, seen?.share);
  if (drawn.circuit) {
    const refused = active && seen.overflow > 0;
    write(drawn.circuit, refused ? `circuit open: ${rate(seen.overflow)}/s refused` : "circuit breaker closed");
    drawn.circuit.classList.toggle("alert", refused);
  }
  set(drawn.label, { "aria-label": spoken(drawn, seen, active) });
}

function durations(seen, active) {
  if (!active) return "";
  if (seen.retries > 0 && seen.percentiles[0] != null) {
    return `p50 ${duration(seen.percentiles[0])} · p99 ${duration(seen.percentiles[2])} · ↻ ${rate(seen.retries)}/s`;
  }
  if (seen.percentiles[0] == null) return "";
  const [p50, p95, p99] = seen.percentiles.map(duration);
  const text = `p50 ${p50} · p95 ${p95} · p99 ${p99}`;
  return text.match(/ ms/g)?.length === 3 ? text.replaceAll(/ ms(?= ·)/g, "") : text;
}

function spoken({ edge, title: who }, seen, active) {
  const parts = [who];
  if (!active) parts.push(`no ${carried(edge)}`);
  else if (edge.tcp) parts.push(`${rate(seen.rate)} connections per second, sent ${bytes(seen.sent)}, received ${bytes(seen.received)}`);
  else parts.push(`${rate(seen.rate)} requests per second, ${percent(seen.errors)} 5xx, ${percent(seen.clientErrors)} 4xx`);
  if (edge.expected) parts.push(`expected share ${percent(edge.expected.percent)}`);
  if (seen?.share) parts.push(`observed share ${percent(seen.share.percent)}`);
  if (edge.tls) parts.push(edge.tls);
  if (edge.mirror?.only) parts.push("mirrored copies");
  return parts.join(", ");
}

function drawNode(node, place) {
  const [width, height] = NODE[node.kind];
  const group = svg("g", { class: `node ${node.kind}`, transform: `translate(${place.x - width / 2} ${place.y - height / 2})` });
  group.append(svg("rect", { width, height, rx: node.kind === "gateway" ? height / 2 : 9 }));
  const inset = node.kind === "gateway" ? 22 : 13;
  const small = node.kind === "clients";
  const name = svg("text", { class: "name", x: small ? width / 2 : inset, y: small ? 23 : 23, "text-anchor": small ? "middle" : "start" });
  name.append(shortened(node.name, node.version ? 13 : 21));
  group.append(svg("title", {}, node.id), name);
  if (node.version) group.append(svg("text", { class: "version", x: width - inset, y: 23, "text-anchor": "end" }, node.version));
  const pods = svg("g", { transform: `translate(${inset} 35)` });
  const state = svg("text", { class: "state", x: width - inset, y: 44, "text-anchor": "end" });
  if (!small) group.append(pods, state);
  if (node.kind === "missing") write(state, "no pods");
  if (node.kind === "external") write(state, "outside the mesh");
  return { node, group, pods, state, width, inset };
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function updateNode(drawn, filters) {
  drawn.filters = filters;
}

function showPods(drawn, pods, ejected) {
  const { node, state } = drawn;
  if (node.kind !== "workload" && node.kind !== "gateway") return;
  const out = pods.filter((pod) => pod.addresses.some((address) => ejected.has(address)));
  const down = pods.filter((pod) => !pod.ready);
  const marks = pods.slice(0, 6).map((pod, i) => podMark(i * 13, pod, out.includes(pod)));
  if (drawn.shown !== JSON.stringify(marks.map((mark) => mark.getAttribute("class")))) {
    drawn.shown = JSON.stringify(marks.map((mark) => mark.getAttribute("class")));
    drawn.pods.replaceChildren(...marks);
  }
  const said = stateText(pods, down, out, drawn);
  write(state, said.text);
  state.classList.toggle("alert", said.alert);
  drawn.group.classList.toggle("down", pods.length > 0 && down.length === pods.length);
  set(drawn.group, { "aria-label": `${title(node)}, ${node.kind}, ${pods.length - down.length} of ${pods.length} pods ready${out.length ? `, ${out.length} ejected` : ""}${node.mtls ? `, mTLS ${node.mtls}` : ""}` });
}

function stateText(pods, down, out, { node, filters }) {
  if (down.length) return { text: `${pods.length - down.length} of ${pods.length} ready`, alert: true };
  if (out.length) return { text: `${out.length} of ${pods.length} ejected`, alert: true };
  if (filters?.denied > 0) return { text: `✕ ${rate(filters.denied)}/s denied`, alert: true };
  if (filters?.rejectedTokens > 0) return { text: `✕ ${rate(filters.rejectedTokens)}/s bad tokens`, alert: true };
  if (filters?.aborts > 0) return { text: `${rate(filters.aborts)}/s aborted`, alert: true };
  if (filters?.delays > 0) return { text: `${rate(filters.delays)}/s delayed`, alert: false };
  if (node.mtls === "STRICT") return { text: "mTLS only", alert: false };
  return { text: pods.length ? "" : "no pods", alert: !pods.length };
}

function podMark(x, pod, ejected) {
  const kind = ejected ? "pod ejected" : pod.ready ? "pod" : "pod unready";
  const mark = svg("g", { class: kind, transform: `translate(${x + 5} 5)` });
  mark.append(svg("title", {}, `${pod.name}: ${ejected ? "ejected by outlier detection" : pod.state}`), svg("circle", { r: 4.5 }));
  if (ejected) mark.append(svg("path", { d: "M-4.5 4.5 4.5 -4.5" }));
  return mark;
}
