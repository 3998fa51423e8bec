// The page: asks for a judgement, shows it, takes feedback, and tells which versions answered.

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
const NEUTRAL_BELOW = 0.05; // VADER's own border between a neutral and a coloured sentence

const main = document.querySelector("main");
const form = document.getElementById("form");
const field = document.getElementById("sentence");
const judgement = document.querySelector(".judgement");
const failure = document.getElementById("failure");
const feedback = document.getElementById("feedback");
const note = feedback.querySelector(".feedback-note");
const page = document.querySelector('meta[name="served-by"]').content;

let judged = null;
let example = 0;

/** A request that was not answered as hoped: a headline, a sentence, which request it was, and who answered. */
class Failure extends Error {
  constructor(title, detail, { request = "", hops = [] } = {}) {
    super(detail);
    Object.assign(this, { title, request, hops });
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

/** What an answer that is no success says for itself: a problem document, or any other text. */
async function readFailure(response, hops) {
  const text = await response.text();
  let request = "";
  let title = `${response.status} ${response.statusText}`.trim();
  let detail = text.trim().slice(0, 240) || "The answer says nothing more.";
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    const problem = JSON.parse(text);
    title = `${problem.status} ${problem.title}`;
    detail = problem.detail;
    if (problem.request_id) request = `Request ${problem.request_id}`;
  }
  return new Failure(title, detail, { request, hops });
}

/** Send a document and return the one that comes back, with the hops it came by; throws a Failure. */
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
      throw new Failure("No answer", `Nothing came back within ${PATIENCE_MILLISECONDS / 1000} seconds.`);
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

/** A polarity with its sign, in the width of a minus sign rather than a hyphen. */
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

function showHops(hops) {
  const path = [...readHops(page), ...hops];
  document.getElementById("hops").replaceChildren(...path.map((hop) => {
    const item = element("li", "hop");
    item.dataset.version = hop.version;
    item.append(element("span", "hop-service", hop.service), " ", element("span", "hop-version", hop.version));
    if (hop.attempt > 1) item.append(" ", element("span", "hop-attempt", `attempt ${hop.attempt}`));
    item.append(element("span", "hop-pod", hop.pod));
    return item;
  }));
}

/** Give an element the tone that the style sheet shows: a name, and the polarity from -1 to +1. */
function colour(target, name, polarity) {
  target.dataset.tone = name;
  target.style.setProperty("--polarity", polarity);
}

/** Add a line about an earlier request: how it ended, and which version answered last. */
function remember(sentence, hops, end, name, polarity) {
  const item = element("li", "past");
  colour(item, name, polarity);
  const last = hops.at(-1);
  const by = last ? `${last.service} ${last.version}` : "nobody";
  item.append(
    element("span", "past-end", end),
    element("span", "past-sentence", sentence),
    element("span", "past-by", by),
  );
  const list = document.getElementById("earlier");
  list.prepend(item);
  while (list.children.length > KEPT) list.lastElementChild.remove();
  document.getElementById("earlier-title").hidden = false;
}

function showJudgement({ sentence, polarity }, hops) {
  judged = { sentence, polarity };
  failure.hidden = true;
  judgement.hidden = false;
  colour(document.documentElement, tone(polarity), polarity);
  judgement.querySelector(".quote").textContent = sentence;
  judgement.querySelector(".gauge").setAttribute("aria-label", `Polarity ${signed(polarity)} on a scale from −1 to +1`);
  judgement.querySelector(".verdict-word").textContent = word(polarity);
  judgement.querySelector(".verdict-number").textContent = signed(polarity);
  note.textContent = "";
  feedback.hidden = false;
  setBusy(feedback, false);
  showHops(hops);
  remember(sentence, hops, signed(polarity), tone(polarity), polarity);
  main.dataset.state = "answered";
}

function showFailure(sentence, error) {
  judged = null;
  judgement.hidden = true;
  feedback.hidden = true;
  failure.hidden = false;
  failure.querySelector("h2").textContent = error.title;
  failure.querySelector(".failure-detail").textContent = error.message;
  failure.querySelector(".failure-more").textContent = error.request;
  showHops(error.hops);
  colour(document.documentElement, "failed", 0);
  remember(sentence, error.hops, "failed", "failed", 0);
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
  main.dataset.state = "asking";
  try {
    const { answer, hops } = await send("/sentiment", { sentence });
    showJudgement(answer, hops);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    showFailure(sentence, error);
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
    note.textContent = `Thank you. Kept as number ${answer.id} by ${by}.`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    note.textContent = `Not kept: ${error.title}. ${error.message}`;
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
