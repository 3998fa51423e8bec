// Numbers and codes in words.

/** A rate per second with as many digits as are of use. */
export const rate = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

/** Bytes per second, in kB or MB where there are many. */
export function bytes(value) {
  const [unit, divisor] = value >= 1e6 ? ["MB", 1e6] : value >= 1000 ? ["kB", 1000] : ["B", 1];
  return `${divisor === 1 || value >= 100 * divisor ? (value / divisor).toFixed(0) : (value / divisor).toFixed(1)} ${unit}/s`;
}

/** What an edge carries. */
export const carried = (edge) => (edge.tcp ? "connections" : "requests");

/** Milliseconds, or seconds from 1,000 ms, without the unit for the smaller of them. */
export function duration(milliseconds) {
  if (milliseconds == null) return "–";
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
}

/** A percentage with one decimal, without it where it is none. */
export const percent = (value) => `${Number.isInteger(value) ? value : value.toFixed(1)} %`;

/** The time of day of seconds since the epoch. */
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

const CODES = {
  200: "success",
  201: "created",
  204: "success without a body",
  302: "redirected",
  304: "not changed",
  400: "the request is invalid",
  401: "the token is missing or invalid",
  403: "refused: by an AuthorizationPolicy, or by the application",
  404: "no route, or not known to the application",
  408: "the client was too slow",
  415: "the content type is not supported",
  429: "too many requests: a rate limit",
  431: "the headers are too large",
  500: "the application failed",
  502: "an upstream of the application failed",
  503: "no healthy endpoint, an open circuit, a failed connection, or the application",
  504: "the timeout of a route, or a slow upstream of the application",
};
const CLASSES = { 2: "success", 3: "redirected", 4: "refused or invalid", 5: "failed" };

/** What a status means in a mesh. */
export const meaning = (code) => CODES[code] ?? CLASSES[Math.floor(code / 100)] ?? "";

/** What Envoy's response flags mean that its statistics tell apart. */
export const FLAGS = {
  retries: ["", "attempts that the retry policy repeated"],
  timeouts: ["UT", "attempts that took longer than the timeout"],
  overflow: ["UO", "refused by the circuit breaker"],
  aborts: ["FI", "answered by an injected fault"],
  delays: ["DI", "delayed by an injected fault"],
  denied: ["", "refused by an AuthorizationPolicy"],
  rejectedTokens: ["", "refused: the token is not valid"],
};

/** The name of a node with its version. */
export const title = (node) => (node ? [node.name, node.version].filter(Boolean).join(" ") : "");
