// The live page: takes the events of the mesh and passes them to the picture and to the panel.

import { write } from "./dom.js";
import { Picture } from "./graph.js";
import { RequestBox } from "./request.js";
import { Details, showChanges, showProofs } from "./side.js";
import { Traces } from "./traces.js";
import { percent, rate } from "./words.js";

const CLIENTS = "clients";
const POINTS = 180;
const element = (id) => document.getElementById(id);

/** What is known of the mesh. */
const mesh = {
  graph: { nodes: [], edges: [], paths: [] },
  pods: {},
  frame: null,
  applies: [],
  proofs: [],
  series: new Map(),
  edges: () => [...mesh.graph.edges],
  edge: (id) => mesh.graph.edges.find((edge) => edge.id === id),
  node: (id) => mesh.graph.nodes.find((node) => node.id === id),
  seen: (id) => mesh.frame?.edges[id],
  marks: () => [
    ...mesh.proofs.map((proof) => ({ time: proof.time, seconds: proof.seconds, label: `${proof.scenario} ${proof.verdict}` })),
    ...mesh.applies.map((apply) => ({ time: apply.time, label: `#${apply.generation}` })),
  ],
  points,
};

/** The points of several edges together: sums of rates, the largest of durations. */
function points(ids) {
  if (ids.length === 1) return mesh.series.get(ids[0]) ?? [];
  const byTime = new Map();
  for (const id of ids) {
    for (const [time, ...values] of mesh.series.get(id) ?? []) {
      const sum = byTime.get(time) ?? [0, 0, null, null, null];
      byTime.set(time, values.map((value, i) => (i < 2 ? sum[i] + value : value == null ? sum[i] : Math.max(sum[i] ?? 0, value))));
    }
  }
  return [...byTime].sort(([a], [b]) => a - b).map(([time, values]) => [time, ...values]);
}

const picture = new Picture(element("graph"), select);
const details = new Details(element("details"), mesh, select);
const box = new RequestBox(element("request"), mesh);
const traces = new Traces(element("traces"), mesh);
let selected = null;

function select(kind, id) {
  selected = kind ? { kind, id } : null;
  picture.mark(selected);
  details.show(selected);
  openTab("details");
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && selected) select(null);
});

element("graph").addEventListener("dblclick", () => picture.fit());

const tabs = [...document.querySelectorAll("[role=tab]")];

function openTab(name) {
  for (const tab of tabs) {
    const on = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    element(tab.getAttribute("aria-controls")).hidden = !on;
  }
  if (name === "traces") traces.show(selected);
}

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openTab(tab.id.slice(4)));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    openTab(next.id.slice(4));
    next.focus();
  });
}

element("hint-request").addEventListener("click", () => {
  openTab("request");
  document.querySelector("#request input[name=path]").focus();
});

const theme = element("theme");
function showTheme() {
  write(theme, document.documentElement.dataset.theme === "dark" ? "Light" : "Dark");
}
theme.addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("localmesh-theme", next);
  showTheme();
  details.show(selected);
});
showTheme();

function takeGraph({ graph, mesh: about }) {
  mesh.graph = graph;
  mesh.pods = about.pods;
  mesh.generation = about.generation;
  const gateway = Object.values(about.gateways).map((ports) => ports.http).find(Boolean);
  const link = element("application");
  link.hidden = !gateway;
  if (gateway) link.href = gateway;
  picture.draw(graph, mesh.pods);
  box.show(graph);
  if (selected && !mesh.node(selected.id) && !mesh.edge(selected.id)) selected = null;
  details.show(selected);
}

function summarize() {
  const pods = Object.entries(mesh.pods).filter(([id]) => mesh.node(id)?.kind === "workload").flatMap(([, all]) => all);
  const ready = pods.filter((pod) => pod.ready).length;
  const entering = mesh.graph.edges.filter((edge) => edge.source === CLIENTS).map((edge) => mesh.seen(edge.id)).filter(Boolean);
  const total = entering.reduce((sum, seen) => sum + seen.rate, 0);
  const failed = entering.reduce((sum, seen) => sum + (seen.rate * seen.errors) / 100, 0);
  const traffic = total ? ` · ${rate(total)} requests/s · ${percent(Math.round((1000 * failed) / total) / 10)} 5xx` : "";
  write(element("summary"), `${ready === pods.length ? pods.length : `${ready} of ${pods.length}`} pods ready · configuration #${mesh.generation}${traffic}`);
  const seen = [...mesh.series.values()].some((series) => series.length);
  element("hint").hidden = seen || !mesh.graph.nodes.length;
}

function takeFrame(frame) {
  mesh.frame = frame;
  if (frame.pods) mesh.pods = frame.pods;
  const silent = [0, 0, null, null, null];
  for (const id of new Set([...mesh.series.keys(), ...Object.keys(frame.points)])) {
    const series = mesh.series.get(id) ?? [];
    series.push([frame.time, ...(frame.points[id] ?? silent)]);
    if (series.length > POINTS) series.shift();
    mesh.series.set(id, series);
  }
  if (frame.pods) picture.pods = frame.pods;
  picture.update(frame);
  if (!document.hidden) {
    details.update();
    traces.update();
  }
  summarize();
}

const takers = {
  state(state) {
    mesh.series = new Map(Object.entries(state.points));
    mesh.applies = state.applies;
    mesh.proofs = state.proofs;
    takeGraph(state);
    showChanges(element("changes"), mesh.applies);
    showProofs(element("proofs"), mesh.proofs);
    summarize();
  },
  graph(changed) {
    takeGraph(changed);
    summarize();
  },
  frame: takeFrame,
  apply(apply) {
    mesh.applies.push(apply);
    showChanges(element("changes"), mesh.applies);
  },
  proof(proof) {
    mesh.proofs.push(proof);
    showProofs(element("proofs"), mesh.proofs);
  },
};

const events = new EventSource("/mesh/live");
for (const [name, take] of Object.entries(takers)) events.addEventListener(name, (event) => take(JSON.parse(event.data)));
const connection = element("connection");
events.addEventListener("open", () => { write(connection, "live"); connection.className = "live"; });
events.addEventListener("error", () => { write(connection, "not connected"); connection.className = "lost"; });
