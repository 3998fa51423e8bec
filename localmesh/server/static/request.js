// The box for a request: the page's server sends it through a gateway, and the answer names its hops.

import { html } from "./dom.js";
import { duration, meaning } from "./words.js";

const MOST = 100;
const KEPT = "localmesh-request";

/** The form and its answers; `mesh` is the state of the page. */
export class RequestBox {
  constructor(element, mesh) {
    this.mesh = mesh;
    this.answers = html("div", { class: "answers", "aria-live": "polite" });
    this.headers = html("div", { class: "headers" });
    this.paths = html("datalist", { id: "paths" });
    const names = html("datalist", { id: "header-names" }, ["user-group", "end-user", "authorization", "host", "content-type"].map((value) => html("option", { value })));
    this.form = html("form", { onsubmit: (event) => this.submit(event) },
      html("div", { class: "line-of-request" },
        html("label", {}, "Method", html("select", { name: "method" }, ["GET", "POST", "PUT", "DELETE", "HEAD"].map((value) => html("option", {}, value)))),
        html("label", { class: "grow" }, "Path", html("input", { name: "path", value: "/", list: "paths", required: true, pattern: "/.*", spellcheck: false, autocomplete: "off" })),
        html("label", {}, "Times", html("input", { name: "times", type: "number", min: 1, max: MOST, value: 1 })),
      ),
      html("fieldset", {}, html("legend", {}, "Headers"), this.headers, html("button", { type: "button", class: "quiet", onclick: () => this.addHeader("", "", true) }, "Add a header")),
      html("label", {}, "Body", html("textarea", { name: "body", rows: 3, spellcheck: false })),
      html("button", { class: "primary" }, "Send through the gateway"),
      this.paths, names,
    );
    element.replaceChildren(this.form, this.answers);
    this.restore();
  }

  /** Offer the paths that gateways have routes for. */
  show(graph) {
    this.paths.replaceChildren(...graph.paths.map((value) => html("option", { value })));
    if (this.kept || !graph.paths.includes("/sentiment")) return;
    this.kept = true;
    this.form.elements.method.value = "POST";
    this.form.elements.path.value = "/sentiment";
    this.form.elements.body.value = '{"sentence": "The sea was calm"}';
    this.addHeader("content-type", "application/json");
  }

  restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT));
      if (!kept) return;
      this.kept = true;
      for (const name of ["method", "path", "body"]) this.form.elements[name].value = kept[name];
      for (const [name, value] of Object.entries(kept.headers)) this.addHeader(name, value);
    } catch { /* what another version of the page has kept */ }
  }

  addHeader(name, value, focus = false) {
    const row = html("div", { class: "header-row" },
      html("input", { "aria-label": "Name of the header", list: "header-names", value: name, placeholder: "user-group", spellcheck: false, autocomplete: "off" }),
      html("input", { "aria-label": "Value of the header", value, spellcheck: false, autocomplete: "off" }),
      html("button", { type: "button", class: "quiet", "aria-label": "Remove the header", onclick: () => row.remove() }, "×"),
    );
    this.headers.append(row);
    if (focus) row.querySelector("input").focus();
  }

  read() {
    const { method, path, body } = this.form.elements;
    const headers = {};
    for (const row of this.headers.children) {
      const [name, value] = row.querySelectorAll("input");
      if (name.value.trim()) headers[name.value.trim()] = value.value.trim();
    }
    return { method: method.value, path: path.value, headers, body: ["GET", "HEAD"].includes(method.value) ? "" : body.value };
  }

  async submit(event) {
    event.preventDefault();
    const request = this.read(), button = this.form.querySelector(".primary");
    const times = Math.min(MOST, Math.max(1, Number(this.form.elements.times.value) || 1));
    sessionStorage.setItem(KEPT, JSON.stringify(request));
    button.disabled = true;
    const answers = [];
    try {
      for (let i = 0; i < times; i++) {
        answers.push(await this.send(request));
        this.showAnswers(answers, times);
        if (answers[answers.length - 1].message) break;
      }
    } finally {
      button.disabled = false;
    }
  }

  async send(request) {
    try {
      const answer = await fetch("/mesh/send", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) });
      return await answer.json();
    } catch (error) {
      return { error: `localmesh does not answer: ${error.message}`, milliseconds: 0 };
    }
  }

  showAnswers(answers, times) {
    const last = answers[answers.length - 1];
    this.answers.replaceChildren(times > 1 ? showTally(answers, times) : "", showAnswer(last));
  }
}

function showAnswer(answer) {
  if (answer.message ?? answer.error) return html("p", { class: "failed-text" }, answer.message ?? answer.error);
  const failed = answer.status >= 500;
  return html("div", {},
    html("p", {}, html("strong", { class: failed ? "failed-text" : "" }, String(answer.status)), ` ${meaning(answer.status)}, after ${duration(answer.milliseconds)}`),
    html("ol", { class: "hops", "aria-label": "Hops" }, html("li", {}, "gateway"), answer.hops.map((hop) => html("li", {}, hopText(hop)))),
    answer.hops.length ? "" : html("p", { class: "muted" }, "The answer has no header served-by: a proxy gave it, or an application that does not set it."),
    html("p", { class: "muted" }, `x-request-id ${answer.requestId}`),
    html("pre", { class: "body" }, answer.body),
    html("details", {}, html("summary", {}, "Headers of the answer"), html("pre", {}, answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n"))),
  );
}

function hopText(hop) {
  const [path, ...attributes] = hop.split(";");
  const [service, version] = path.split("/");
  const attempt = attributes.find((each) => each.startsWith("attempt="))?.slice(8);
  return `${service} ${version ?? ""}${attempt && attempt !== "1" ? `, attempt ${attempt}` : ""}`;
}

function showTally(answers, times) {
  const count = (names) => Object.entries(names.reduce((all, name) => ({ ...all, [name]: (all[name] ?? 0) + 1 }), {})).sort((a, b) => b[1] - a[1]);
  const text = (entries) => entries.map(([name, each]) => `${name} × ${each}`).join(", ");
  const last = (answer) => (answer.hops?.length ? hopText(answer.hops[answer.hops.length - 1]).split(",")[0] : "no application");
  return html("p", {}, html("strong", {}, `${answers.length} of ${times}: `), `${text(count(answers.map((a) => String(a.status ?? "no answer"))))}; last hop: ${text(count(answers.map(last)))}`);
}
