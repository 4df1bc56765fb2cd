const TILES = 360;
const SEAM = 3; // empty tiles between the newest answer and the oldest
const SLOW_AFTER = 1000; // ms
const GIVE_UP_AFTER = 30000; // ms
const SUMMARY_EVERY = 250; // ms; figures that change faster cannot be read

// A browser opens six HTTP/1.1 connections to a host and queues the rest, and
// time spent in that queue would make quick versions look slow.
const [navigation] = performance.getEntriesByType("navigation");
const MOST_UNDER_WAY = navigation?.nextHopProtocol === "h2" ? 100 : 6;

const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let rate = 10; // requests a second
let windowSize = 100; // answers that count
let paused = false;
let underWay = 0;
const answers = []; // oldest first

// Asking

async function ask() {
  const started = performance.now();
  let response;
  try {
    response = await fetch("color", { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_AFTER) });
    await response.text();
  } catch {
    response = Response.error(); // no headers, not ok: nobody answered
  }
  const header = (name) => response.headers.get(`X-Rollouts-Demo-${name}`) ?? "";
  const finished = performance.now();
  return {
    color: header("Color") || "lost",
    pod: header("Pod"),
    revision: header("Revision"),
    status: response.status,
    failed: !response.ok,
    slow: finished - started > SLOW_AFTER,
    millis: finished - started,
    finished,
  };
}

async function askAndShow() {
  if (paused || underWay >= MOST_UNDER_WAY) return;
  underWay++;
  const answer = await ask();
  underWay--;
  answers.push(answer);
  if (answers.length > TILES) answers.shift();
  drawTile(answer);
}

function keepAsking() {
  askAndShow();
  setTimeout(keepAsking, 1000 / rate);
}

// The stream

const tiles = Array.from({ length: TILES }, () => {
  const tile = document.createElement("i");
  tile.className = "tile";
  return tile;
});
let nextTile = 0;

function drawTile(answer) {
  const tile = tiles[nextTile];
  tile.dataset.color = answer.color;
  tile.classList.toggle("failed", answer.failed);
  tile.classList.toggle("slow", answer.slow);
  tile.title = `${answer.color}, status ${answer.status || "none"}, ${millis(answer.millis)}, ${answer.pod}`;
  if (!calm.matches) {
    tile.animate([{ transform: "scale(.2)" }, { transform: "none" }], { duration: 240, easing: "ease-out" });
  }
  nextTile = (nextTile + 1) % TILES;
  clearTile(tiles[(nextTile + SEAM - 1) % TILES]);
}

function clearTile(tile) {
  tile.className = "tile";
  tile.removeAttribute("title");
  delete tile.dataset.color;
}

// The figures

function summarise() {
  const counted = answers.slice(-windowSize);
  const byColor = inOrderOfAppearance(Map.groupBy(counted, (answer) => answer.color));
  const byPod = Map.groupBy(counted.filter((answer) => answer.pod), (answer) => answer.pod);

  const shares = byColor.map(([color, group]) => ({ color, ...figures(group), share: group.length / counted.length }));
  drawBar(shares);
  drawShares(shares);
  drawPods([...byPod.values()].map((group) => ({ ...group[0], ...figures(group) })));
  drawState();
}

function figures(group) {
  const sorted = group.map((answer) => answer.millis).sort((a, b) => a - b);
  return {
    answered: group.length,
    errors: group.filter((answer) => answer.failed).length,
    median: sorted[Math.floor(sorted.length / 2)],
  };
}

// A colour keeps its place from its first answer on: the stable version stays
// on the left while the canary grows from the right.
const appeared = [];
function inOrderOfAppearance(byColor) {
  for (const color of byColor.keys()) if (!appeared.includes(color)) appeared.push(color);
  return appeared.filter((color) => byColor.has(color)).map((color) => [color, byColor.get(color)]);
}

function drawBar(shares) {
  update($("bar"), shares, "<span></span>", (segment, { color, share }) => {
    segment.dataset.color = color;
    segment.style.width = `${share * 100}%`;
  });
  const words = shares.map(({ color, share }) => `${color} ${percent(share)} percent`);
  $("bar").setAttribute("aria-label", words.join(", ") || "No answers yet");
}

const shareMarkup = `<li><span class="share"></span><span class="name"></span><p class="detail"></p></li>`;

function drawShares(shares) {
  update($("shares"), shares, shareMarkup, (item, { color, share, answered, errors, median }) => {
    item.dataset.color = color;
    item.querySelector(".share").textContent = percent(share);
    item.querySelector(".name").textContent = color === "lost" ? "no version" : color;
    const failed = document.createElement(errors ? "strong" : "span");
    failed.textContent = `${errors} failed`;
    item.querySelector(".detail").replaceChildren(`${answered} answers, `, failed, `, median ${millis(median)}`);
  });
}

const podMarkup = `<tr><td class="pod"><span></span><span></span></td><td></td><td></td></tr>`;

function drawPods(pods) {
  pods.sort((a, b) => appeared.indexOf(a.color) - appeared.indexOf(b.color) || a.pod.localeCompare(b.pod));
  update($("pods"), pods, podMarkup, (row, { color, pod, revision, answered, errors }) => {
    row.dataset.color = color;
    const [name, answeredCell, errorsCell] = row.cells;
    name.children[0].textContent = pod;
    name.children[1].textContent = revision;
    answeredCell.textContent = answered;
    errorsCell.textContent = errors;
  });
}

function drawState() {
  const since = performance.now() - 5000;
  const recent = answers.filter((answer) => answer.finished > since).length;
  $("speed").textContent = paused ? "" : `${(recent / 5).toFixed(1)} answers a second`;
  $("state").classList.toggle("live", !paused);
}

// update makes the children of a list match its items, reusing those there are.
function update(list, items, markup, fill) {
  while (list.children.length > items.length) list.lastElementChild.remove();
  while (list.children.length < items.length) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    list.append(template.content);
  }
  items.forEach((item, index) => fill(list.children[index], item));
}

function percent(share) {
  return String(Number((share * 100).toFixed(1)));
}

function millis(duration) {
  return duration < 1000 ? `${Math.round(duration)} ms` : `${(duration / 1000).toFixed(1)} s`;
}

// The controls

$("rate").addEventListener("input", (event) => {
  rate = Number(event.target.value);
  $("rate-shown").textContent = rate;
});

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Resume" : "Pause";
  $("mode").textContent = paused ? "Paused" : "Live";
  summarise();
});

for (const choice of document.getElementsByName("window")) {
  choice.addEventListener("change", () => {
    windowSize = Number(choice.value);
    summarise();
  });
}

$("stream").append(...tiles);
setInterval(summarise, SUMMARY_EVERY);
keepAsking();
