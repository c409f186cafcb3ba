// Keeps a page up to date: listens to the server's events, fetches the same page again when something changed, and replaces the parts
// marked with data-live that differ. Without this script the pages are complete, only still.

const EVENTS = "/api/v1/events";
const PAUSE = 2500; // ms between two refreshes: a busy stream changes every second, a reader doesn't
const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
let waiting = null;
let last = 0;

/** Replace every data-live part whose HTML differs; focus, open details and scroll positions stay. */
export function merge(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!next || next.innerHTML === part.dataset.seen) continue;
    part.dataset.seen = next.innerHTML;
    const focused = part.contains(document.activeElement) ? path(part, document.activeElement) : null;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    part.replaceChildren(...next.childNodes);
    part.querySelectorAll("details").forEach((one, index) => (one.open = open[index] ?? false));
    if (focused) follow(part, focused)?.focus({ preventScroll: true });
  }
}

function path(root, node) {
  if (node.id) return node.id;
  const steps = [];
  for (let at = node; at !== root; at = at.parentElement) steps.unshift([...at.parentElement.children].indexOf(at));
  return steps;
}

function follow(root, steps) {
  if (typeof steps === "string") return document.getElementById(steps);
  return steps.reduce((at, index) => at?.children[index], root);
}

async function refresh() {
  waiting = null;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (answer.redirected || !answer.ok) return; // signed out, or the store is away: the status line says so
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    merge(fresh);
    document.dispatchEvent(new CustomEvent("fresh", { detail: fresh }));
  } catch {
    pulse("lost");
  }
}

function soon() {
  if (waiting || document.hidden) return;
  waiting = setTimeout(refresh, Math.max(300, last + PAUSE - Date.now()));
}

function pulse(state) {
  const light = document.querySelector(".pulse");
  if (!light) return;
  light.dataset.state = state;
  light.textContent = { live: "live", lost: "connection lost", trouble: "store not readable" }[state];
}

function counters(data) {
  pulse("live");
  const put = (name, text) => {
    const place = document.querySelector(`[data-count="${name}"]`);
    if (place && text !== undefined && place.textContent !== text) place.textContent = text;
  };
  put("posts", number.format(data.posts));
  put("now", when(data.now));
  if (data.posts_per_second !== null) {
    put("speed", number.format(data.posts_per_second));
    document.querySelector('[data-count="speed"]').parentElement.hidden = false;
  }
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function when(text) {
  return `${Number(text.slice(8, 10))} ${MONTHS[Number(text.slice(5, 7)) - 1]} ${text.slice(0, 4)}, ${text.slice(11, 16)}`;
}

/** A new alert: said to screen readers, shown in the corner until it is closed or followed. */
function announce(told) {
  soon();
  if (!told.open || told.state !== "open" || told.severity === "annotation") return;
  const place = document.getElementById("alerts");
  const card = document.createElement("div");
  card.className = `toast ${told.severity === "incident" ? "incident" : "tone"}`;
  const link = document.createElement("a");
  link.href = `/incidents/${encodeURIComponent(told.id)}`;
  link.textContent = told.topic === "*" ? "Pipeline" : told.topic;
  const text = document.createElement("p");
  text.textContent = told.sentence;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.setAttribute("aria-label", "Close this alert");
  close.textContent = "×";
  close.addEventListener("click", () => card.remove());
  card.append(link, text, close);
  place.prepend(card);
  while (place.children.length > 3) place.lastElementChild.remove();
}

function listen() {
  const source = new EventSource(EVENTS);
  const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("counters", counters);
  on("changed", soon);
  on("incident", announce);
  on("trouble", () => pulse("trouble"));
  source.addEventListener("open", () => {
    pulse("live");
    if (last) soon(); // after a gap the page may be behind
    last ||= Date.now();
  });
  source.addEventListener("error", () => {
    pulse("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("visibilitychange", soon);
for (const part of document.querySelectorAll("[data-live]")) part.dataset.seen = part.innerHTML;
listen();
