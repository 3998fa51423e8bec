// The page: sends a sentence, shows its polarity, sends feedback, and shows which versions answered.

const EXAMPLES = [
  "What a wonderful morning to ship on a Friday!",
  "The deployment failed again, and nobody knows why.",
  "The train leaves at nine.",
  "It is not bad, but I would not call it good either.",
  "I love this little demo, it is AMAZING!!!",
  "This is the worst coffee I have ever had.",
];
const KEPT = 8;
const PATIENCE_MILLISECONDS = 30_000;
const TICK_MILLISECONDS = 100;
const NEUTRAL_BELOW = 0.05; // VADER's own threshold for a neutral sentence

const main = document.querySelector("main");
const form = document.getElementById("form");
const field = document.getElementById("sentence");
const judgement = document.querySelector(".judgement");
const failure = document.getElementById("failure");
const timing = document.getElementById("timing");
const feedback = document.getElementById("feedback");
const note = feedback.querySelector(".feedback-note");
const page = document.querySelector('meta[name="served-by"]').content;

let judged = null;
let example = 0;

/** A request that failed: a headline, a sentence, the request's id, the services that answered, and the proxy that did. */
class Failure extends Error {
  constructor(title, detail, { request = "", hops = [], proxy = null } = {}) {
    super(detail);
    Object.assign(this, { title, request, hops, proxy });
  }
}

/** The hops of a served-by header, outermost first. */
function readHops(header) {
  return (header ?? "").split(",").map((element) => element.trim()).filter(Boolean).map((element) => {
    const [name, ...parameters] = element.split(";");
    const [service, version, pod] = name.split("/");
    const attempt = parameters.find((parameter) => parameter.startsWith("attempt="));
    return { service, version, pod, attempt: attempt ? Number(attempt.slice("attempt=".length)) : null };
  });
}

/** The Failure that an unsuccessful answer describes: a problem of a service, or a local reply of Envoy. */
async function readFailure(response, hops) {
  const text = (await response.text()).trim();
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    const problem = JSON.parse(text);
    const proxy = problem.answered_by?.startsWith("sidecar proxy") ? problem.answered_by : null;
    const request = problem.request_id ? `Request ${problem.request_id}` : "";
    return new Failure(`${problem.status} ${problem.title}`, problem.detail, { request, hops, proxy });
  }
  const title = `${response.status} ${response.statusText}`.trim();
  const words = text.slice(0, 240) || "no body";
  if (hops.length > 0) return new Failure(title, words, { hops });
  // Services always send served-by. The gateway adds the second header to what comes from behind it.
  const proxy = response.headers.has("x-envoy-upstream-service-time") ? "sidecar proxy" : "gateway";
  return new Failure(title, `A proxy answered (${words}): the ${proxy}, not a service.`, { proxy });
}

/** Send a document; return the answer and the hops it came by, or throw a Failure. */
async function send(path, document) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(document),
      signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
    });
  } catch (error) {
    if (error.name === "TimeoutError") {
      throw new Failure("No answer", `There was no answer within ${PATIENCE_MILLISECONDS / 1000} seconds.`);
    }
    throw new Failure("No connection", "The application cannot be reached. Is the mesh up?");
  }
  const hops = readHops(response.headers.get("served-by"));
  if (!response.ok) throw await readFailure(response, hops);
  return { answer: await response.json(), hops };
}

function tone(polarity) {
  if (Math.abs(polarity) < NEUTRAL_BELOW) return "neutral";
  return polarity > 0 ? "positive" : "negative";
}

function word(polarity) {
  const strength = Math.abs(polarity) >= 0.6 ? "Very " : Math.abs(polarity) < 0.3 ? "Slightly " : "";
  const name = tone(polarity);
  return name === "neutral" ? "Neutral" : strength ? strength + name : name[0].toUpperCase() + name.slice(1);
}

/** A polarity with its sign; a minus sign is as wide as a plus sign, a hyphen is not. */
function signed(polarity) {
  const digits = Math.abs(polarity).toFixed(2);
  return Number(digits) === 0 ? "0.00" : `${polarity > 0 ? "+" : "\u2212"}${digits}`;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A duration for people: milliseconds below one second. */
function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Show how long the request has been running; the function that is returned stops that and returns the milliseconds. */
function startTimer() {
  const started = performance.now();
  const show = () => {
    timing.textContent = `Waiting for an answer: ${((performance.now() - started) / 1000).toFixed(1)} s`;
  };
  show();
  const timer = setInterval(show, TICK_MILLISECONDS);
  return () => {
    clearInterval(timer);
    return performance.now() - started;
  };
}

/** Show the services that answered, outermost first, and the proxy that answered in place of the next one. */
function showHops(hops, proxy = null) {
  const items = [...readHops(page), ...hops].map((hop) => {
    const item = element("li", "hop");
    item.dataset.version = hop.version;
    item.append(element("span", "hop-service", hop.service), " ", element("span", "hop-version", hop.version));
    if (hop.attempt > 1) item.append(" ", element("span", "hop-attempt", `attempt ${hop.attempt}`));
    item.append(element("span", "hop-pod", hop.pod));
    return item;
  });
  if (proxy) {
    const item = element("li", "hop");
    item.dataset.kind = "proxy";
    item.append(element("span", "hop-service", proxy), element("span", "hop-pod", "answered in place of the next service"));
    items.push(item);
  }
  document.getElementById("hops").replaceChildren(...items);
}

/** Give an element the tone that the style sheet shows: a name, and the polarity from -1 to +1. */
function colour(target, name, polarity) {
  target.dataset.tone = name;
  target.style.setProperty("--polarity", polarity);
}

/** Add a line to the history: how the request ended, who answered last, and how long it took. */
function remember(sentence, { end, by, milliseconds }, name, polarity) {
  const item = element("li", "past");
  colour(item, name, polarity);
  item.append(
    element("span", "past-end", end),
    element("span", "past-sentence", sentence),
    element("span", "past-by", by),
    element("span", "past-time", duration(milliseconds)),
  );
  const list = document.getElementById("earlier");
  list.prepend(item);
  while (list.children.length > KEPT) list.lastElementChild.remove();
}

/** The last service of a path and its version. */
function lastOf(hops) {
  const last = hops.at(-1);
  return last ? `${last.service} ${last.version}` : "no answer";
}

function showJudgement({ sentence, polarity }, hops, milliseconds) {
  judged = { sentence, polarity };
  colour(document.documentElement, tone(polarity), polarity);
  judgement.querySelector(".quote").textContent = sentence;
  judgement.querySelector(".gauge").setAttribute("aria-label", `Polarity ${signed(polarity)} on a scale from −1 to +1`);
  judgement.querySelector(".verdict-word").textContent = word(polarity);
  judgement.querySelector(".verdict-number").textContent = signed(polarity);
  timing.textContent = `Answered after ${duration(milliseconds)}`;
  note.textContent = "";
  setBusy(feedback, false);
  showHops(hops);
  remember(sentence, { end: signed(polarity), by: lastOf(hops), milliseconds }, tone(polarity), polarity);
  main.dataset.shown = "judgement";
  main.dataset.state = "answered";
}

function showFailure(sentence, error, milliseconds) {
  judged = null;
  failure.querySelector("h2").textContent = error.title;
  failure.querySelector(".failure-detail").textContent = error.message;
  failure.querySelector(".failure-more").textContent = error.request;
  timing.textContent = `Failed after ${duration(milliseconds)}`;
  note.textContent = "";
  showHops(error.hops, error.proxy);
  colour(document.documentElement, "failed", 0);
  remember(sentence, { end: "failed", by: error.proxy?.replace("sidecar ", "") ?? lastOf(error.hops), milliseconds }, "failed", 0);
  main.dataset.shown = "failure";
  main.dataset.state = "failed";
}

function setBusy(container, busy) {
  container.setAttribute("aria-busy", String(busy));
  for (const button of container.querySelectorAll("button")) button.disabled = busy;
}

async function ask() {
  const sentence = field.value.trim();
  if (!sentence) return;
  setBusy(form, true);
  setBusy(feedback, true);
  main.dataset.state = "asking";
  const stopTimer = startTimer();
  try {
    const { answer, hops } = await send("/sentiment", { sentence });
    showJudgement(answer, hops, stopTimer());
  } catch (error) {
    const milliseconds = stopTimer();
    if (!(error instanceof Failure)) throw error;
    showFailure(sentence, error, milliseconds);
  } finally {
    setBusy(form, false);
  }
}

async function tell(correct) {
  setBusy(feedback, true);
  note.textContent = "Sending…";
  try {
    const { answer, hops } = await send("/feedback", { ...judged, correct });
    const by = hops.map((hop) => `${hop.service} ${hop.version}`).join(", ");
    note.textContent = `Thank you. Saved as number ${answer.id} by ${by}.`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    note.textContent = `Not saved: ${error.title}. ${error.message}`;
    setBusy(feedback, false);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
feedback.addEventListener("submit", (event) => {
  event.preventDefault();
  tell(event.submitter.value === "true");
});
document.getElementById("example").addEventListener("click", () => {
  field.value = EXAMPLES[example++ % EXAMPLES.length];
  form.requestSubmit();
});
showHops([]);
