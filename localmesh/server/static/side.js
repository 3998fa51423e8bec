// The panel beside the picture: what is selected, what was changed, what was proven.

import { html, write } from "./dom.js";
import { gauge } from "./gauge.js";
import { Series } from "./series.js";
import { bytes, carried, clock, duration, FLAGS, meaning, percent, rate, title } from "./words.js";

const CLIENTS = "clients";

/** The tab with the details of what is selected; `mesh` is the state of the page. */
export class Details {
  constructor(element, mesh, select) {
    this.element = element;
    this.mesh = mesh;
    this.select = select;
    this.series = [];
  }

  /** Show what is selected; without anything, the mesh as a whole. */
  show(selected) {
    for (const series of this.series) series.destroy();
    this.series = [];
    this.selected = selected;
    this.parts = null;
    const node = selected?.kind === "node" && this.mesh.node(selected.id);
    const edge = selected?.kind === "edge" && this.mesh.edge(selected.id);
    if (node) this.showNode(node);
    else if (edge) this.showEdge(edge);
    else this.showMesh();
    if (node || edge) this.element.prepend(html("button", { type: "button", class: "quiet back", onclick: () => this.select(null) }, "← The whole mesh"));
    this.update();
  }

  /** Show the numbers of the last frame. */
  update() {
    this.parts?.();
    for (const [series, edges] of this.charts ?? []) series.show(this.mesh.points(edges));
  }

  showMesh() {
    this.element.replaceChildren(
      html("h2", {}, "The whole mesh"),
      html("p", { class: "muted" }, "Requests that enter through gateways. Select a workload or a line for its details."),
      this.chartsOf(this.mesh.edges().filter((edge) => edge.source === CLIENTS).map((edge) => edge.id), false),
      html("h3", {}, "Most requests"),
      this.list = html("ul", { class: "rows" }),
    );
    this.parts = () => {
      const edges = this.mesh.edges().filter((edge) => edge.source !== CLIENTS);
      const busy = edges.sort((a, b) => (this.mesh.seen(b.id)?.rate ?? 0) - (this.mesh.seen(a.id)?.rate ?? 0)).slice(0, 12);
      this.showEdges(this.list, busy);
    };
  }

  showEdge(edge) {
    const [source, target] = [this.mesh.node(edge.source), this.mesh.node(edge.target)];
    const codes = html("div"), numbers = html("dl", { class: "numbers" });
    const rules = html("div", { class: "rules" }, html("p", { class: "muted" }, "…"));
    this.element.replaceChildren(
      html("h2", {}, `${title(source)} → ${title(target)}`),
      html("p", { class: "muted" }, [edge.tls, ...edge.clusters].filter(Boolean).join(" · ")),
      numbers,
      this.chartsOf([edge.id], edge.source !== CLIENTS),
      html("h3", {}, "Answers"), codes,
      html("h3", {}, "Rules in force"), rules,
    );
    this.parts = () => {
      const seen = this.mesh.seen(edge.id);
      showNumbers(numbers, edge, seen);
      showCodes(codes, seen, edge.source === CLIENTS);
    };
    this.load("edge", edge.id, rules);
  }

  showNode(node) {
    const filters = html("div"), pods = html("div"), incoming = html("ul", { class: "rows" }), outgoing = html("ul", { class: "rows" });
    const rules = html("div", { class: "rules" }, html("p", { class: "muted" }, "…"));
    const edges = this.mesh.edges();
    const [to, from] = [edges.filter((edge) => edge.target === node.id), edges.filter((edge) => edge.source === node.id)];
    this.element.replaceChildren(
      html("h2", {}, title(node)),
      html("p", { class: "muted" }, [node.kind, node.workload && `${node.workload}.${node.namespace}`].filter(Boolean).join(" · ")),
      pods, filters,
      this.chartsOf(to.map((edge) => edge.id), true),
      to.length ? html("h3", {}, "Receives from") : "", incoming,
      from.length ? html("h3", {}, "Sends to") : "", outgoing,
      html("h3", {}, "Rules in force"), rules,
    );
    this.parts = () => {
      showPods(pods, this.mesh.pods[node.id] ?? [], this.mesh.frame?.ejected ?? []);
      showFilters(filters, this.mesh.frame?.filters[node.id]);
      this.showEdges(incoming, to, "source");
      this.showEdges(outgoing, from, "target");
    };
    this.load("node", node.id, rules);
  }

  /** Rows for edges, each with its numbers; `end` is the side that is named. */
  showEdges(list, edges, end) {
    const shown = edges.map((edge) => edge.id).join();
    if (list.shown !== shown) {
      list.shown = shown;
      list.rows = edges.map((edge) => {
        const name = end ? title(this.mesh.node(edge[end])) : `${title(this.mesh.node(edge.source))} → ${title(this.mesh.node(edge.target))}`;
        const numbers = html("span", { class: "number" });
        const row = html("li", {}, html("button", { type: "button", onclick: () => this.select("edge", edge.id) }, html("span", {}, name), numbers));
        return { row, numbers, edge };
      });
      list.replaceChildren(...list.rows.map(({ row }) => row));
    }
    for (const { numbers, edge } of list.rows) {
      const seen = this.mesh.seen(edge.id);
      const failed = seen?.errors > 0 ? ` · ${percent(seen.errors)} 5xx` : "";
      write(numbers, seen?.rate > 0 ? `${rate(seen.rate)}/s${failed}` : `no ${carried(edge)}`);
      numbers.classList.toggle("muted", !(seen?.rate > 0));
    }
  }

  chartsOf(edges, withDurations) {
    const box = html("div", { class: "charts" });
    const marks = () => this.mesh.marks();
    this.charts = [];
    const add = (label, key, lines, unit) => {
      const element = html("div", { class: "chart" });
      box.append(html("p", { class: "chart-title" }, label, " ", key), element);
      const series = new Series(element, label, lines, unit, marks);
      this.series.push(series);
      this.charts.push([series, edges]);
    };
    const legend = (...entries) => entries.map(([kind, name]) => html("span", { class: `key ${kind}` }, name));
    // the elements have no width before they are in the document
    queueMicrotask(() => {
      add("Per second", legend(["seen", "requests"], ["failed", "5xx"]), [["requests", "--seen"], ["5xx", "--failed", [5, 4]]], (v) => String(v));
      if (withDurations) {
        add("Duration", legend(["seen", "p50"], ["seen p95", "p95"], ["seen p99", "p99"]),
          [["p50", "--seen", undefined, 3], ["p95", "--seen", [7, 4], 4], ["p99", "--seen", [2, 3], 5]], (v) => duration(v).replace(/\.0(?= )/, ""));
      }
      this.update();
    });
    return box;
  }

  async load(kind, id, into) {
    const answer = await fetch(`/mesh/live/${kind}?${new URLSearchParams({ id })}`);
    if (!answer.ok || this.selected?.id !== id) return;
    const found = await answer.json();
    into.replaceChildren(...found.rules.map(showRule), showSettings(found.settings), ...showEnvoy(found.envoy));
  }
}

function showNumbers(list, edge, seen) {
  const rows = [[`${carried(edge)}/s`, seen ? rate(seen.rate) : "0"]];
  if (edge.tcp) rows.push(["sent", bytes(seen?.sent ?? 0)], ["received", bytes(seen?.received ?? 0)]);
  else rows.push(["5xx", seen ? percent(seen.errors ?? 0) : "–"]);
  if (seen?.clientErrors > 0) rows.push(["4xx", percent(seen.clientErrors)]);
  const times = seen?.percentiles ?? [];
  if (times[0] != null) rows.push(["p50", duration(times[0])], ["p95", duration(times[1])], ["p99", duration(times[2])]);
  const items = rows.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value)));
  if (edge.expected) {
    const share = seen?.share;
    const told = share ? `observed ${percent(share.percent)} (95 %: ${share.low.toFixed(1)}–${share.high.toFixed(1)}), ${share.count} of ${share.total} requests since the last change, at most a minute` : "not observed yet";
    items.push(html("div", { class: "wide" }, html("dt", {}, `expected ${percent(edge.expected.percent)}, ${told}`), html("dd", {}, gauge(edge.expected.percent, share))));
    if (!edge.expected.exclusive) items.push(html("div", { class: "wide muted" }, "Other routes lead here as well, so that the observed share can differ."));
  }
  list.replaceChildren(...items);
}

function showCodes(box, seen, classes) {
  const rows = Object.entries(seen?.codes ?? {}).map(([code, each]) => [classes ? `${code[0]}xx` : code, each, meaning(Number(classes ? code[0] * 100 + 99 : code)), code >= 500]);
  for (const name of ["retries", "timeouts", "overflow"]) {
    if (seen?.[name] > 0) rows.push([FLAGS[name][0], seen[name], FLAGS[name][1], false]);
  }
  if (!rows.length) box.replaceChildren(html("p", { class: "muted" }, "none in the last seconds"));
  else box.replaceChildren(table(["status or flag", "per second", "meaning"], rows.map(([code, each, what, failed]) => [html("span", { class: failed ? "failed-text" : "" }, code), rate(each), what])));
}

function showFilters(box, filters) {
  const rows = Object.entries(filters ?? {}).filter(([, each]) => each > 0).map(([name, each]) => [FLAGS[name][0], rate(each), FLAGS[name][1]]);
  box.replaceChildren(...(rows.length ? [table(["flag", "per second", "what its proxy does"], rows)] : []));
}

function showPods(box, pods, ejected) {
  if (!pods.length) return box.replaceChildren();
  const out = new Set(ejected);
  const state = (pod) => (pod.addresses.some((address) => out.has(address)) ? "ejected" : pod.ready ? "ready" : pod.state);
  const proxy = (pod) => (pod.proxyReady == null ? "none" : pod.proxyReady ? "ready" : "not ready") + (pod.proxyRestarts ? `, ${pod.proxyRestarts} restart${pod.proxyRestarts > 1 ? "s" : ""}` : "");
  box.replaceChildren(table(["pod", "state", "proxy", "restarts"], pods.map((pod) => [pod.name, state(pod), proxy(pod), String(pod.restarts)])));
}

const table = (heads, rows) => html("table", {}, html("thead", {}, html("tr", {}, heads.map((head) => html("th", { scope: "col" }, head)))), html("tbody", {}, rows.map((row) => html("tr", {}, row.map((cell) => html("td", {}, cell))))));

function showRule(rule) {
  const where = rule.default ? "the default of the mesh" : `${rule.object}, ${rule.field}`;
  return html("div", { class: "rule" },
    html("p", {}, html("strong", {}, rule.what.replace(".svc.cluster.local", "")), rule.conditions.length ? ` where ${rule.conditions.join(", ")}` : ""),
    html("p", { class: "place" }, where, rule.file ? html("span", { class: "file" }, rule.file) : ""),
    rule.yaml ? html("details", {}, html("summary", {}, "YAML"), html("pre", {}, rule.yaml)) : "",
  );
}

function showSettings(settings) {
  if (!settings.length) return "";
  return table(["setting", "value", "from"], settings.map((each) => [each.name, each.value, each.object ? `${each.object}, ${each.field}` : "default"]));
}

function showEnvoy(envoy) {
  return Object.entries(envoy).map(([name, config]) => html("details", {}, html("summary", {}, `Envoy: ${name}`), html("pre", {}, JSON.stringify(config, null, 2))));
}

/** The tab of changes: each apply with what it has changed. */
export function showChanges(element, applies) {
  if (!applies.length) return element.replaceChildren(html("p", { class: "muted" }, "Nothing has been applied since the start. ", html("code", {}, "localmesh apply -k …"), " changes the mesh; each change is a mark in the charts."));
  element.replaceChildren(html("ol", { class: "events" }, [...applies].reverse().map((apply) => {
    const kinds = [["added", apply.added], ["changed", apply.changed], ["removed", apply.removed]].filter(([, objects]) => objects.length);
    return html("li", {},
      html("p", {}, html("strong", {}, `#${apply.generation}`), " ", html("time", {}, clock(apply.time))),
      ...(kinds.length ? kinds.map(([kind, objects]) => html("p", {}, `${kind}: ${objects.slice(0, 8).join(", ")}${objects.length > 8 ? ` and ${objects.length - 8} more` : ""}`)) : [html("p", { class: "muted" }, "no object is different")]),
    );
  })));
}

const SIGNS = { PASS: "✓", FAIL: "✗", INCONCLUSIVE: "?" };

/** The tab of proofs: each verdict with its checks, the newest first. */
export function showProofs(element, proofs) {
  if (!proofs.length) return element.replaceChildren(html("p", { class: "muted" }, "No proof has run yet. ", html("code", {}, "loadgen prove canary"), " sends requests, compares what it observes with what is configured, and reports its verdict here."));
  element.replaceChildren(html("ol", { class: "events" }, [...proofs].reverse().map((proof) => html("li", { class: `verdict-${proof.verdict.toLowerCase()}` },
    html("p", {}, html("strong", { class: "verdict" }, `${SIGNS[proof.verdict]} ${proof.verdict}`), ` ${proof.scenario} `, html("time", {}, clock(proof.time))),
    html("p", { class: "muted" }, proof.proves),
    html("ul", { class: "checks" }, proof.checks.map(showCheck)),
  ))));
}

function showCheck(check) {
  const m = check.measured;
  return html("li", { class: `verdict-${check.verdict.toLowerCase()}` },
    html("span", { class: "verdict", title: check.verdict }, SIGNS[check.verdict]), html("span", {}, check.name),
    m && m.share != null ? html("span", { class: "number" }, percent(100 * m.share)) : html("span"),
    html("span", { class: "muted" }, check.expected ? `expected ${check.expected}` : ""),
    m && m.share != null ? gauge(100 * m.expected_share, { percent: 100 * m.share, low: 100 * m.interval.low, high: 100 * m.interval.high }) : "",
    check.verdict === "PASS" ? "" : html("span", { class: "reason" }, check.reason),
  );
}
