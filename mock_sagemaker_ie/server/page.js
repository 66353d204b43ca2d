"use strict";
const $ = id => document.getElementById(id);
const rows = new Map();  // The row of each experiment, by account, region and name.
let traffic = {};        // The number of invocations by endpoint and variant.
let now = "", version = 0, offset = 0, total = 0, matching = 0, nextChange = null;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;  // Replacing equal text would lose a selection.
}
const formatTime = text => text.slice(0, 19).replace("T", " ");

function shortDuration(seconds) {
  const words = [];
  for (const [unit, size] of [["y", 365 * 86400], ["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    if (seconds >= size) words.push(Math.floor(seconds / size) + unit);
    seconds %= size;
  }
  return words.slice(0, 2).join(" ") || "0s";
}

// --- experiments

class Row {
  constructor() {
    this.name = make("b");
    this.status = make("span");
    this.next = make("span", {className: "muted"});
    this.where = make("span", {className: "muted where"});
    this.inside = make("div", {className: "inside"});
    this.element = make("details", {}, make("summary", {}, this.name, this.status, this.next, this.where), this.inside);
    this.element.addEventListener("toggle", () => this.fill());
  }

  update() {
    const {name, status, next, region, account} = this.experiment;
    setText(this.name, name);
    setText(this.status, status);
    this.status.className = `status ${status}`;
    setText(this.next, next ? `becomes ${next.status} in ${shortDuration((Date.parse(next.at) - Date.parse(now)) / 1000)}` : "");
    this.next.title = next ? formatTime(next.at) : "";
    setText(this.where, `${region} · ${account}`);
    this.fill();
  }

  fill() {
    if (!this.element.open) return;
    const {experiment} = this, minute = now.slice(0, 16);
    const requests = traffic[experiment.endpoint.EndpointName];
    const content = JSON.stringify([experiment, minute, requests]);
    if (content === this.content) return;
    this.content = content;
    const {name, status, next, region, account, endpoint} = experiment;
    this.picture ??= make("img");
    this.narrow ??= make("source", {media: "(max-width: 45rem)"});
    this.pictures ??= make("picture", {}, this.narrow, this.picture);
    // The server ignores `at`; the browser loads the image again when it changes.
    const source = `/_mock/timeline.svg?${new URLSearchParams({name, region, account, at: minute})}`;
    this.narrow.srcset = `${source}&narrow=1`;
    this.picture.src = source;
    this.picture.alt = `Timeline of ${name}: ${status}` + (next ? `, ${next.status} at ${formatTime(next.at)}` : "");
    const configuration = endpoint.EndpointConfigName;
    this.inside.replaceChildren(
      make("div", {className: "picture"}, this.pictures),
      make("table", {},
        make("thead", {}, make("tr", {}, ...["Variant", "Model", "Status", ...(requests ? ["Invocations"] : [])].map(text => make("th", {scope: "col"}, text)))),
        make("tbody", {}, ...experiment.variants.map(variant => make("tr", {},
          ...[variant.name, variant.model, variant.status, ...(requests ? [requests[variant.name] ?? 0] : [])]
            .map(text => make("td", {}, text)))))),
      make("p", {}, `${experiment.percentage} % of the traffic is copied to the shadow`),
      make("p", {}, `Region ${region}, account ${account}`),
      make("p", {}, `Endpoint ${endpoint.EndpointName}: ${endpoint.EndpointStatus || "does not exist"}`),
      ...(configuration ? [make("p", {}, `Endpoint configuration ${configuration}`)] : []),
      ...(experiment.reason ? [make("p", {}, `Reason: ${experiment.reason}`)] : []),
    );
  }
}

const keyOf = ({account, region, name}) => [account, region, name].join("/");

// Show a page of experiments: `page` has the keys of all, oldest first, `experiments` only those that changed.
function showExperiments({experiments, page}) {
  for (const experiment of experiments) {
    const key = keyOf(experiment);
    if (!rows.has(key)) rows.set(key, new Row());
    rows.get(key).experiment = experiment;
  }
  if (page) {
    for (const [key, row] of rows) {
      if (page.includes(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    let place = $("experiments").firstChild;
    for (const key of [...page].reverse().filter(key => rows.has(key))) {  // The newest first.
      const {element} = rows.get(key);
      if (element === place) place = place.nextSibling;
      else $("experiments").insertBefore(element, place);
    }
  }
  rows.forEach(row => row.update());
  $("none").hidden = total > 0;
  $("filter").hidden = total < 8;
  $("next").disabled = !nextChange;
  $("pages").hidden = matching <= rows.size && !offset;
  $("newer").disabled = !offset;
  $("older").disabled = offset + rows.size >= matching;
  setText($("range"), `${rows.size ? offset + 1 : 0} to ${offset + rows.size} of ${matching}, the newest first`);
  filter();
}

// Hide what does not match at once; the server's next answer has the matches among all experiments.
function filter() {
  const words = filterText().toLowerCase().split(/\s+/);
  let hidden = 0;
  for (const {experiment, element} of rows.values()) {
    const {name, status, region, account} = experiment;
    const text = `${name} ${status} ${region} ${account}`.toLowerCase();
    element.hidden = !words.every(word => text.includes(word));
    hidden += element.hidden;
  }
  const count = matching - hidden;
  setText($("count"), count < total ? `${count} of ${total}` : `${total}`);
}
const filterText = () => $("filter").hidden ? "" : $("filter").value;

// --- calls and traffic

// The members of an object as JSON in one line, with spaces at which the line may break.
const oneLine = value => JSON.stringify(value, null, 1).replace(/\n */g, " ").slice(2, -2);

const time = at => make("time", {dateTime: at}, formatTime(at));

// The summary of each kind of items, and what an item shows when it is open: made from the answer of its path.
const KINDS = {
  calls: {
    noun: "call", limit: 200,
    summary({operation, params, error, lost, at, region}) {
      const errors = [error, lost].filter(Boolean), words = [error ? error.code : "ok"];
      if (lost)
        words.push(`lost: ${lost.code}`);
      return [
        make("b", {}, operation),
        make("span", {className: errors.length ? "bad" : "muted"}, words.join(", ")),
        ...errors.map(each => make("div", {className: "bad"}, each.message)),
        make("div", {className: "muted clamp"}, time(at), ` · ${region} · ${oneLine(params)}`)];
    },
    inside: ([{params, response, error}]) =>
      [...block("Request", params), ...(error ? block("Error", error) : block("Answer", response))],
  },
  captures: {
    noun: "capture", limit: 20,
    summary: ({endpoint, variant, at, input, output}) => [
      make("b", {}, variant),
      make("span", {className: "muted"}, time(at)),
      make("div", {className: "muted"}, endpoint),
      make("div", {className: "muted clamp"}, [input, output].filter(each => each !== undefined).join(" → "))],
    inside: ({captures: [{record}]}) => block("Record", record),
  },
  events: {
    noun: "event", limit: 20,
    summary: ({endpoint, at, kind, status, region}) => [
      make("b", {}, endpoint),
      make("span", {className: "muted"}, status.toLowerCase().replaceAll("_", " ")),
      make("div", {className: "muted"}, time(at), ` · ${region} · ${kind.replace("SageMaker Endpoint ", "")}`)],
    inside: ({events: [event]}) => block("Event", event),
  },
};

// One list of items: the latest, the newest first.
class List {
  constructor(name) {
    this.name = name;
    this.kind = KINDS[name];
    this.items = new Map();  // The element of each, by the path of all of it, oldest first.
  }

  show(added, count) {
    for (const item of added.filter(item => !this.items.has(item.whole))) {
      const element = this.element(item);
      this.items.set(item.whole, element);
      $(this.name).prepend(element);  // The others stay as they are, open or closed.
    }
    const surplus = this.items.size - Math.min(count, this.kind.limit);
    for (const path of surplus > 0 ? [...this.items.keys()].slice(0, surplus) : []) {
      this.items.get(path).remove();
      this.items.delete(path);
    }
    showCount(this.name, count, this.items.size);
  }

  element(item) {
    const inside = make("div", {className: "inside"});
    const details = make("details", {}, make("summary", {}, ...this.kind.summary(item)), inside);
    details.addEventListener("toggle", () => {
      if (details.open && !inside.hasChildNodes()) this.open(inside, item.whole);
    });
    return make("li", {}, details);
  }

  async open(inside, path) {
    try {
      const response = await fetch(path), answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      inside.replaceChildren(...this.kind.inside(answer));
    } catch (problem) {
      inside.replaceChildren(make("p", {className: "bad"}, `The ${this.kind.noun} cannot be read: ${problem.message}`));
    }
  }
}
const lists = Object.keys(KINDS).map(name => new List(name));

function showCount(name, count, shown) {
  const panel = $(`${name}-panel`), all = panel.querySelector(".all");
  setText($(`${name}-count`), `${count}`);
  panel.querySelector(".none").hidden = count > 0;
  all.hidden = count === 0;
  setText(all, shown < count ? `The latest ${shown} of ${count}; more as JSON` : "As JSON");
}

function showMetrics(rows, count) {
  if (!rows) return;
  $("metrics").hidden = !rows.length;
  const endpoints = new Map();
  for (const row of rows) {
    const {endpoint, variant, Invocations, InvocationModelErrors: errors, ModelLatency} = row;
    if (!endpoints.has(endpoint))
      endpoints.set(endpoint, [make("tr", {}, make("th", {colSpan: 4, scope: "rowgroup"}, endpoint))]);
    endpoints.get(endpoint).push(make("tr", {}, make("td", {}, variant), make("td", {}, `${Invocations}`),
      make("td", {className: errors ? "bad" : ""}, `${errors}`), make("td", {}, `${(ModelLatency / 1000).toFixed(1)} ms`)));
  }
  $("metrics").tBodies[0].replaceChildren(...[...endpoints.values()].flat());
  showCount("metrics", count, rows.length);
}

// Show one panel. The arrow keys move between the tabs, as ARIA says.
const tabs = [...document.querySelectorAll("[role=tab]")];
function select(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", each === tab);
    each.tabIndex = each === tab ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = each !== tab;
  }
}
$("tabs").addEventListener("click", event => {
  const tab = event.target.closest("[role=tab]");
  if (tab) select(tab);
});
$("tabs").addEventListener("keydown", event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step) return;
  const tab = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
  select(tab);
  tab.focus();
});
select(tabs[0]);

function block(title, value) {
  const text = make("pre", {tabIndex: 0}, JSON.stringify(value, null, 2));
  const button = make("button", {ariaLabel: `Copy the ${title.toLowerCase()}`}, "Copy");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(text);
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      document.execCommand("copy");  // Without https, browsers have no clipboard on other machines.
    }
    button.textContent = "Copied";
    setTimeout(() => button.textContent = "Copy", 2000);
  });
  return [make("div", {className: "head"}, make("h3", {}, title), button), text];
}

// --- the server

let asked = 0;
async function refresh() {
  const question = ++asked;
  try {
    const response = await fetch(`/_mock/state?${new URLSearchParams({since: version, offset, filter: filterText()})}`);
    if (!response.ok) throw new Error();
    const state = await response.json();
    if (question !== asked) return;  // A later answer has the same changes.
    traffic = state.traffic ?? traffic;
    ({now, version, experiment_count: total, match_count: matching, next_change: nextChange} = state);
    setText($("now"), formatTime(now) + " UTC");
    $("now").dateTime = now;
    showExperiments(state);
    for (const list of lists) list.show(state[list.name], state[`${list.kind.noun}_count`]);
    showMetrics(state.metrics, state.metric_count);
    if (state.page?.some(key => !rows.has(key))) version = 0;  // They have come from another page: ask for all.
    if (offset && offset >= matching) [offset, version] = [0, 0];
    if (unreachable) showMessage("");
    unreachable = false;
  } catch {
    if (question !== asked) return;
    unreachable = true;
    showMessage("The server does not answer.");
  }
}

// Show another page of experiments.
function turn(to) {
  [offset, version] = [Math.max(to, 0), 0];
  return refresh();
}
let unreachable = false;
const showMessage = text => setText($("message"), text);

async function post(path, body = {}) {
  try {
    const response = await fetch(path, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    showMessage(response.ok ? "" : (await response.json()).error);
  } catch {
    unreachable = true;
  }
  await refresh();
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, 1000);
}

$("buttons").addEventListener("click", event => {
  const seconds = event.target.dataset.seconds;
  if (seconds) post("/_mock/clock", {advance: Number(seconds)});
});
$("next").addEventListener("click", () => post("/_mock/clock", {move_to: nextChange}));
$("reset").addEventListener("click", () => {
  if (confirm("Delete all experiments, endpoints and calls?")) post("/_mock/reset");
});
$("filter").addEventListener("input", () => { filter(); turn(0); });
$("newer").addEventListener("click", () => turn(offset - ROWS));
$("older").addEventListener("click", () => turn(offset + ROWS));
const ROWS = 100;
const header = document.querySelector("header");
new ResizeObserver(() => document.documentElement.style.setProperty("--header", `${header.offsetHeight}px`)).observe(header);
document.querySelectorAll(".origin").forEach(element => setText(element, location.origin));
poll();
