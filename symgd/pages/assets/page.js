"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const n = data.variables.length, PROBLEM = {n, p: Object.values(data.parameters), bounds: data.bounds};
const $ = id => document.getElementById(id), {select, line, scaleLinear, scaleLog, axisBottom, axisLeft, contours} = D3;
const fg = new Float64Array(n + 1), STEPS = 300, FARTHEST = 1e5;
const colour = i => `var(--m${i % 6})`, dash = i => i < 6 ? null : "6 3";
const number = v => !Number.isFinite(v) ? "not finite" : v === 0 ? "0" : Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3 ? v.toExponential(3).replace(/\.?0*e/, "e").replace("e+", "e") : String(+v.toPrecision(4));

// ------------------------------------------------------------------ state

const first = () => ({
  start: [...data.start], window: data.window.map(w => [...w]), axes: [0, Math.min(1, n - 1)], steps: STEPS, shown: STEPS,
  values: data.methods.map(m => m.hyper.map(h => h.value)), on: data.methods.map(() => true), quantity: "gap", logSteps: false, basins: -1,
});
let state = first();

function remember() {
  const now = first(), changed = {};
  for (const key of Object.keys(now)) if (JSON.stringify(now[key]) !== JSON.stringify(state[key])) changed[key] = state[key];
  const hash = Object.keys(changed).length ? "#" + encodeURIComponent(JSON.stringify(changed)) : "#";
  if (window !== parent) parent.postMessage({symgd: { // to the widget around it
    start: Object.fromEntries(data.variables.map((v, k) => [v, state.start[k]])),
    methods: Object.fromEntries(data.methods.map((m, i) => [m.name, Object.fromEntries(m.hyper.map((h, j) => [h.name, h.text ?? state.values[i][j]]))])),
  }}, "*");
  try { history.replaceState(null, "", hash); } catch { /* a frame without an address */ }
  return hash;
}

// Only what has the form of a state is taken over from an address.
function recall() {
  let given;
  try { given = JSON.parse(decodeURIComponent(location.hash.slice(1))); } catch { return; }
  const alike = (a, b) => Array.isArray(b) ? Array.isArray(a) && a.length === b.length && b.every((each, i) => alike(a[i], each)) : typeof a === typeof b && (typeof a !== "number" || Number.isFinite(a));
  const usual = first();
  for (const key of Object.keys(usual)) if (given && alike(given[key], usual[key])) state[key] = given[key];
  const count = v => Math.min(20000, Math.max(0, Math.round(v)));
  state.steps = Math.max(1, count(state.steps)); state.shown = Math.min(state.steps, count(state.shown));
  state.axes = state.axes.map(a => Math.min(n - 1, count(a)));
  if (!state.window.every(([a, b]) => a < b)) state.window = usual.window;
  if (!["gap", "norm"].includes(state.quantity)) state.quantity = "gap";
  if (!(state.basins in data.methods)) state.basins = -1;
}

// ------------------------------------------------------------------- runs

let results = [];
function compute() {
  results = data.methods.map((m, i) => state.on[i] ? descend(PROBLEM, i, m.width, state.start, state.values[i], state.steps) : null);
}
const at = (r, t) => r.xs.subarray(n*t, n*t + n);
const lastShown = r => Math.min(state.shown, r.count - 1);
const lowest = () => Math.min(...data.minima.map(m => m.f), ...results.filter(Boolean).flatMap(r => r.count ? [r.values.subarray(0, r.count).reduce((a, b) => Math.min(a, b))] : []));

// -------------------------------------------------------------------- map

// In the page's own pixels, so that letters and the handle keep their sizes.
let W = 680, H = 560, CW = 460;
const M = {left: 50, right: 12, top: 10, bottom: 40}, CH = 270, C = {left: 50, right: 14, top: 8, bottom: 34};
const sx = scaleLinear(), sy = scaleLinear(), map = select("#map");
const clip = map.append("defs").append("clipPath").attr("id", "inside").append("rect").attr("x", M.left).attr("y", M.top);
const layer = (name, clipped = true) => map.append("g").attr("class", name).attr("clip-path", clipped ? "url(#inside)" : null);
const ground = layer("ground"), basinLayer = layer("basins"), limits = layer("limits"), frame = layer("frame", false), paths = layer("paths"), marks = layer("marks"), handle = layer("start", false);
handle.attr("tabindex", 0).attr("role", "slider").attr("aria-label", "start of the paths").attr("aria-valuemin", 0).attr("aria-valuemax", 1);
handle.append("circle").attr("r", 22).attr("fill", "transparent").attr("class", "grip");
handle.append("circle").attr("r", 8.5).attr("fill", "var(--halo)").attr("stroke", "var(--ink)").attr("stroke-width", 2.5).attr("class", "ring");

// The point of a slice: through the lowest minimum, or the start where none is known.
const anchor = () => data.minima.length ? data.minima[0].x : state.start;
function valueAt(u, v) {
  const x = n > 2 ? [...anchor()] : new Array(n);
  x[state.axes[0]] = u;
  if (n > 1) x[state.axes[1]] = v;
  evaluate(x, PROBLEM.p, fg);
  return fg[0];
}

function drawAxes() {
  const names = state.axes.map(a => data.variables[a]), bottom = H - M.bottom;
  frame.selectAll("*").remove();
  frame.append("g").attr("transform", `translate(0,${bottom})`).call(axisBottom(sx).ticks(7));
  frame.append("g").attr("transform", `translate(${M.left},0)`).call(axisLeft(sy).ticks(7));
  frame.selectAll("text").attr("fill", "var(--soft)").attr("font-family", "system-ui, sans-serif").attr("font-size", 12);
  frame.selectAll(".domain, .tick line").attr("stroke", "var(--soft)");
  const named = (text, x, y, anchor) => frame.append("text").attr("x", x).attr("y", y).attr("text-anchor", anchor).attr("fill", "var(--ink)").attr("font-size", 14).attr("font-style", "italic").text(text);
  named(names[0], (M.left + W - M.right)/2, H - 6, "middle");
  named(n > 1 ? names[1] : "f", 6, M.top + 12, "start");
}

function drawGround() {
  sx.domain(state.window[state.axes[0]]).range([M.left, W - M.right]);
  if (n === 1) return drawCurve();
  sy.domain(state.window[state.axes[1]]).range([H - M.bottom, M.top]);
  const [a, b] = sx.domain(), [c, d] = sy.domain(), columns = 130, rows = 110, values = new Float64Array(columns*rows);
  for (let j = 0, k = 0; j < rows; j++) for (let i = 0; i < columns; i++, k++) {
    const v = valueAt(a + (i + 0.5)*(b - a)/columns, c + (j + 0.5)*(d - c)/rows);
    values[k] = Number.isFinite(v) ? v : NaN;
  }
  const sorted = values.filter(v => v === v).sort();
  const levels = levelsOf(sorted);
  const place = p => `${sx(a + p[0]*(b - a)/columns).toFixed(1)},${sy(c + p[1]*(d - c)/rows).toFixed(1)}`;
  const shape = g => g.coordinates.map(polygon => polygon.map(ring => "M" + ring.map(place).join("L") + "Z").join("")).join("");
  const made = sorted.length ? contours().size([columns, rows]).thresholds(levels)(values) : [];
  const box = `M${M.left},${M.top}H${W - M.right}V${H - M.bottom}H${M.left}Z`;
  ground.selectAll("path").data([null, ...made]).join("path").attr("d", g => g ? shape(g) : box)
    .attr("fill", (g, i) => g ? `color-mix(in oklab, var(--high) ${Math.round(100*(i - 1)/Math.max(1, made.length - 1))}%, var(--low))` : "var(--undefined)")
    .attr("stroke", "var(--ink)").attr("stroke-opacity", 0.18).attr("stroke-width", 0.6);
  drawLimits(); drawAxes();
}

// Levels that grow by a factor from the lowest value: flat valleys and steep walls both show.
function levelsOf(sorted) {
  const low = sorted[0], high = sorted[Math.floor(0.97*(sorted.length - 1))] - low, count = 18;
  if (!(high > 0)) return [low];
  const least = Math.max(high*2e-5, 1e-300);
  return [low, ...Array.from({length: count}, (_, i) => low + least*Math.pow(high/least, (i + 1)/count))];
}

function drawCurve() {
  const [a, b] = sx.domain(), points = Array.from({length: 501}, (_, i) => { const x = a + i*(b - a)/500; return [x, valueAt(x)]; });
  const seen = points.map(p => p[1]).filter(Number.isFinite).sort((p, q) => p - q);
  const low = seen[0] ?? 0, high = seen[Math.floor(0.98*(seen.length - 1))] ?? 1, room = 0.08*(high - low || 1);
  sy.domain([low - room, high + room]).range([H - M.bottom, M.top]);
  const curve = line().defined(p => Number.isFinite(p[1])).x(p => sx(p[0])).y(p => far(sy(p[1])));
  ground.selectAll("path").data([points]).join("path").attr("d", curve).attr("fill", "none").attr("stroke", "var(--soft)").attr("stroke-width", 2);
  drawLimits(); drawAxes();
}

function drawLimits() {
  const sides = [];
  for (const [axis, k] of state.axes.slice(0, Math.min(n, 2)).entries()) for (const bound of data.bounds?.[k] ?? []) if (bound !== null) sides.push([axis, bound]);
  const outside = sides.map(([axis, v]) => { const low = v === data.bounds[state.axes[axis]][0];
    return axis ? [M.left, low ? sy(v) : -H, W, low ? H : sy(v) + H] : [low ? -W : sx(v), M.top, low ? sx(v) + W : W, H]; });
  limits.selectAll("rect").data(outside).join("rect").attr("x", o => o[0]).attr("y", o => o[1]).attr("width", o => o[2]).attr("height", o => o[3]).attr("fill", "var(--paper)").attr("fill-opacity", 0.6);
  limits.selectAll("line").data(sides).join("line").attr("stroke", "var(--bad)").attr("stroke-width", 2.5).attr("stroke-dasharray", "8 5")
    .attr("x1", ([axis, v]) => axis ? M.left : sx(v)).attr("x2", ([axis, v]) => axis ? W - M.right : sx(v))
    .attr("y1", ([axis, v]) => axis ? sy(v) : M.top).attr("y2", ([axis, v]) => axis ? sy(v) : H - M.bottom);
}

const far = v => Math.max(-FARTHEST, Math.min(FARTHEST, v));
const spot = (x, f) => [far(sx(x[state.axes[0]])), far(sy(n > 1 ? x[state.axes[1]] : f))];

function drawPaths() {
  const shown = results.map((r, i) => ({r, i})).filter(({r}) => r && r.count);
  const points = ({r}) => Array.from({length: lastShown(r) + 1}, (_, t) => spot(at(r, t), r.values[t]));
  const join = (cls, width, stroke) => paths.selectAll("path." + cls).data(shown).join("path").attr("class", cls).attr("fill", "none").attr("stroke-linejoin", "round").attr("stroke-width", width).attr("stroke", stroke).attr("d", s => line()(points(s)));
  join("casing", 4.5, "var(--halo)").attr("stroke-opacity", 0.7);
  join("path", 2.2, s => colour(s.i)).attr("stroke-dasharray", s => dash(s.i));
  const unmoved = data.start.every((v, k) => v === state.start[k]);
  const auto = unmoved ? [data.auto.path.map((x, t) => spot(x, data.auto.f[t]))] : [];
  paths.selectAll("path.auto").data(auto).join("path").attr("class", "auto").attr("fill", "none").attr("stroke", "var(--ink)").attr("stroke-width", 1.4).attr("stroke-dasharray", "1.5 4").attr("stroke-linecap", "round").attr("d", line());
  const few = shown.flatMap(s => points(s).slice(0, 120).map(p => ({p, i: s.i})));
  paths.selectAll("circle.dot").data(few).join("circle").attr("class", "dot").attr("r", 2.3).attr("cx", d => d.p[0]).attr("cy", d => d.p[1]).attr("fill", d => colour(d.i));
  paths.selectAll("circle.end").data(shown).join("circle").attr("class", "end").attr("r", 6).attr("stroke", "var(--halo)").attr("stroke-width", 2).attr("fill", s => colour(s.i))
    .attr("cx", s => points(s).at(-1)[0]).attr("cy", s => points(s).at(-1)[1]).raise();
  const cross = "M-6,-6L6,6M-6,6L6,-6";
  for (const [cls, width, stroke] of [["below", 6, "var(--halo)"], ["cross", 2.5, "var(--ink)"]])
    marks.selectAll("path." + cls).data(data.minima).join("path").attr("class", cls).attr("d", cross).attr("stroke", stroke).attr("stroke-width", width).attr("transform", m => `translate(${spot(m.x, m.f)})`);
  marks.selectAll("path.cross").selectAll("title").data(m => [m]).join("title").text(m => `minimum, f = ${number(m.f)}`);
  evaluate(state.start, PROBLEM.p, fg);
  const own = spot(state.start, fg[0]);
  handle.attr("transform", `translate(${own.map(v => Number.isFinite(v) ? v : H/2)})`).attr("aria-valuetext", data.variables.map((v, k) => `${v} = ${number(state.start[k])}`).join(", "));
}

// ------------------------------------------------------------ convergence

const curve = select("#curve");
const curveFrame = curve.append("g"), curveLines = curve.append("g"), curveMarks = curve.append("g");
function drawConvergence() {
  const best = lowest(), series = results.map((r, i) => ({r, i})).filter(({r}) => r && r.count), least = 1e-16;
  const value = (r, t) => state.quantity === "gap" ? r.values[t] - best : r.norms[t];
  const all = series.flatMap(({r}) => Array.from({length: r.count}, (_, t) => value(r, t))).filter(v => v > least);
  const beginning = Math.max(least*10, ...series.map(({r}) => value(r, 0)));
  // A curve that reaches 0 falls to the floor, a decade below what can be drawn.
  const zero = series.some(({r}) => r.values.subarray(0, r.count).some((_, t) => value(r, t) <= least));
  const low = (all.length ? all.reduce((a, b) => Math.min(a, b)) : least)/(zero ? 10 : 1), high = Math.min(all.reduce((a, b) => Math.max(a, b), low*10), beginning*1e3);
  const last = Math.max(10, ...series.map(({r}) => r.count - 1));
  const x = (state.logSteps ? scaleLog([1, last + 1], [C.left, CW - C.right]) : scaleLinear([0, last], [C.left, CW - C.right]));
  const across = t => x(state.logSteps ? t + 1 : t), y = scaleLog([low, Math.max(high, low*10)], [CH - C.bottom, C.top]).nice();
  const down = v => Math.max(C.top - 4, Math.min(CH - C.bottom, y(Math.max(v, low))));
  curveFrame.selectAll("*").remove();
  curveFrame.append("g").attr("transform", `translate(0,${CH - C.bottom})`).call(axisBottom(x).ticks(5, "~s"));
  const decades = Math.log10(y.domain()[1]/y.domain()[0]);
  const each = Math.max(1, Math.ceil(decades/6)), powers = [];
  for (let e = Math.ceil(Math.log10(y.domain()[0])); e <= Math.log10(y.domain()[1]) + 1e-9; e += each) powers.push(10**e);
  curveFrame.append("g").attr("transform", `translate(${C.left},0)`).call(axisLeft(y).tickValues(powers).tickFormat(v => v.toExponential(0).replace("e+", "e")));
  curveFrame.selectAll("text").attr("fill", "var(--soft)").attr("font-family", "system-ui, sans-serif").attr("font-size", 12);
  curveFrame.selectAll(".domain, .tick line").attr("stroke", "var(--soft)");
  curveFrame.append("text").attr("x", CW/2).attr("y", CH - 2).attr("text-anchor", "middle").attr("font-size", 12).attr("fill", "var(--soft)").text(state.logSteps ? "step + 1" : "step");
  const points = ({r}, end) => Array.from({length: end + 1}, (_, t) => [across(t), down(value(r, t))]);
  const draw = (cls, end, opacity) => curveLines.selectAll("path." + cls).data(series).join("path").attr("class", cls).attr("fill", "none").attr("stroke-width", 2).attr("stroke-opacity", opacity).attr("stroke", s => colour(s.i)).attr("stroke-dasharray", s => dash(s.i)).attr("d", s => line()(points(s, end(s.r))));
  draw("whole", r => r.count - 1, 0.25); draw("part", lastShown, 1);
  curveMarks.selectAll("circle").data(series).join("circle").attr("r", 4).attr("fill", s => colour(s.i)).attr("stroke", "var(--halo)").attr("cx", s => across(lastShown(s.r))).attr("cy", s => down(value(s.r, lastShown(s.r))));
}

// ------------------------------------------------------------ what is told

function told(r) {
  if (r.end === "undefined") return ["f is not defined at the start", "bad"];
  if (r.end === "diverged") return [`diverges at step ${r.count}`, "bad"];
  const last = r.count - 1, up = r.values[last] > r.values[0];
  const steps = `${last} step${last === 1 ? "" : "s"}`;
  if (r.end === "converged") return [`arrives after ${steps}: f = ${number(r.values[last])}`, "good"];
  return [`f = ${number(r.values[last])} after ${steps}${up ? ", higher than at the start" : ""}`, up ? "bad" : ""];
}

function tell() {
  $("auto").textContent = `symgd’s default method, run natively from the first start (dotted): ${data.auto.told}, ${data.auto.nit} iterations, ${data.auto.status}`;
  results.forEach((r, i) => {
    const {element, status} = data.methods[i];
    element.classList.toggle("off", !r);
    const [text, cls] = r ? told(r) : ["not shown", ""];
    status.textContent = text; status.className = "told " + cls;
  });
  const arrived = results.map((r, i) => ({r, i})).filter(({r}) => r && r.end === "converged").sort((a, b) => a.r.count - b.r.count);
  select("#arrivals").selectAll("li").data(arrived).join("li").each(function ({r, i}) {
    const item = select(this); item.selectAll("*").remove();
    item.append("span").attr("class", "swatch").style("border-color", colour(i)).style("border-top-style", dash(i) ? "dashed" : "solid");
    item.append("span").text(` ${data.methods[i].name}: ${r.count - 1} steps`);
  });
}

let drawMs = 0;
function draw() {
  const began = performance.now();
  state.shown = Math.min(state.shown, state.steps);
  compute(); drawShown(); tell(); tellSteep();
  drawMs = performance.now() - began;
  remember();
}
function drawShown() {
  drawPaths(); drawConvergence();
  for (const [id, value] of [["shown", state.shown], ["shown-number", state.shown], ["steps", state.steps]]) if (document.activeElement !== $(id) || $(id).type === "range") $(id).value = value;
  $("shown").max = state.steps; $("shown").value = state.shown;
  startInputs.forEach((input, k) => { if (document.activeElement !== input) input.value = +state.start[k].toPrecision(6); });
}

// ---------------------------------------------------------------- methods

const LETTERS = {step_size: "η  ", momentum: "μ  ", eps: "ε  ", weight_decay: "λ  ", decay: "ρ  ", beta1: "β₁  ", beta2: "β₂  "};
const slide = h => ({from: v => h.log ? Math.log10(v) : v, to: u => h.log ? 10**u : u});
data.methods.forEach((m, i) => {
  const card = select("#methods").append("div").attr("class", "method").style("border-left-color", colour(i)).style("border-left-style", dash(i) ? "dashed" : "solid"), head = card.append("div").attr("class", "head");
  const label = head.append("label");
  m.box = label.append("input").attr("type", "checkbox").on("change", e => { state.on[i] = e.target.checked; draw(); }).node();
  label.append("span").text(" " + m.name);
  m.status = head.append("span").attr("class", "told").attr("role", "status").node();
  m.element = card.node();
  const maths = card.append("div").attr("class", "maths").node();
  for (const text of m.maths) maths.appendChild(document.createElement("div")).append(new DOMParser().parseFromString(text, "text/html").body.firstChild);
  m.inputs = m.hyper.map((h, j) => {
    const row = card.append("div").attr("class", "slider"), id = `h-${i}-${j}`;
    row.append("label").attr("for", id).text((LETTERS[h.name] ?? "") + h.name);
    if (h.text) { row.append("span").text(h.text + ", t the step"); return null; }
    const track = row.append("div").attr("class", "track"), {from, to} = slide(h);
    const range = track.append("input").attr("type", "range").attr("id", id).attr("min", from(h.low)).attr("max", from(h.high)).attr("step", "any").node();
    const field = row.append("input").attr("type", "number").attr("step", "any").attr("aria-label", `${h.name} of ${m.name}`).node();
    const set = v => { state.values[i][j] = v; draw(); if (state.basins === i) basinsSoon(); };
    range.addEventListener("input", () => { const v = +to(+range.value).toPrecision(3); field.value = v; set(v); });
    field.addEventListener("input", () => { const v = field.valueAsNumber; if (Number.isFinite(v)) { range.value = h.log && v <= 0 ? range.min : from(v); set(v); } });
    const extra = h.name === "step_size" && CURVATURE && data.smooth ? card.append("div").attr("class", "hyper") : null;
    return {range, field, track, extra, show: v => { range.value = h.log && v <= 0 ? range.min : from(v); field.value = v; }};
  });
});
const showMethods = () => data.methods.forEach((m, i) => { m.box.checked = state.on[i]; m.inputs.forEach((input, j) => input?.show(state.values[i][j])); });

// ------------------------------------- how steep it is, and the best step size

function eigenvalues(x) {
  const a = Array.from({length: n}, () => new Float64Array(n)), entries = new Float64Array(CURVED.length + 1);
  CURVATURE(x, PROBLEM.p, entries);
  CURVED.forEach((place, k) => { a[Math.floor(place/n)][place % n] = entries[k + 1]; });
  if (!entries.every(Number.isFinite)) return null;
  for (let sweep = 0; sweep < 50; sweep++) { // Jacobi's rotations
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
      off += Math.abs(a[p][q]);
      if (a[p][q] === 0) continue;
      const theta = (a[q][q] - a[p][p])/(2*a[p][q]), t = (theta < 0 ? -1 : 1)/(Math.abs(theta) + Math.hypot(theta, 1)), c = 1/Math.hypot(t, 1), s = t*c;
      for (let k = 0; k < n; k++) { const u = a[k][p], v = a[k][q]; a[k][p] = c*u - s*v; a[k][q] = s*u + c*v; }
      for (let k = 0; k < n; k++) { const u = a[p][k], v = a[q][k]; a[p][k] = c*u - s*v; a[q][k] = s*u + c*v; }
    }
    if (off < 1e-300) break;
  }
  return a.map((row, k) => row[k]).sort((p, q) => p - q);
}

// Of a quadratic with curvatures from m to L: the largest stable step size, and the best one.
const STEPPING = {
  gd: (m, L) => ({limit: 2/L, name: "2/L", best: {step_size: 2/(L + Math.max(m, 0))}}),
  momentum: (m, L, h) => ({limit: 2*(1 + h.momentum)/L, name: "2(1 + momentum)/L", best: {step_size: (2/(Math.sqrt(L) + Math.sqrt(m)))**2, momentum: ((Math.sqrt(L) - Math.sqrt(m))/(Math.sqrt(L) + Math.sqrt(m)))**2}}),
  nesterov: (m, L, h) => ({limit: 2*(1 + h.momentum)/(1 + 2*h.momentum)/L, name: "2(1 + momentum)/(1 + 2 momentum)/L", best: {step_size: 1/L, momentum: (1 - Math.sqrt(m/L))/(1 + Math.sqrt(m/L))}}),
};

function tellSteep() {
  data.methods.forEach((m, i) => {
    const j = m.hyper.findIndex(h => h.name === "step_size"), input = m.inputs[j], known = STEPPING[m.builtIn];
    if (!input?.extra || !known) return;
    const r = results[i], ended = r && r.end !== "diverged" && r.count, where = ended ? at(r, r.count - 1) : data.minima[0]?.x;
    const spectrum = where ? eigenvalues(where) : null, L = spectrum?.at(-1), extra = select(input.extra.node());
    select(input.track.node()).selectAll(".mark").remove(); extra.selectAll("*").remove();
    if (!(L > 0)) return;
    const h = Object.fromEntries(m.hyper.map((each, k) => [each.name, state.values[i][k]]));
    const {limit, name, best} = known(Math.max(spectrum[0], 0), L, h), {from} = slide(m.hyper[j]);
    const [low, high] = [from(m.hyper[j].low), from(m.hyper[j].high)], part = (from(limit) - low)/(high - low);
    if (part >= 0 && part <= 1) select(input.track.node()).append("span").attr("class", "mark").attr("title", name).style("left", `calc(8px + (100% - 16px)*${part})`);
    extra.append("span").text(`stable below ${name} = ${number(limit)}${ended ? " where the run ends" : " at the minimum"} `);
    if (spectrum[0] > 0) extra.append("button").attr("data-best", m.name).text(`best: ${Object.entries(best).map(([k, v]) => `${k} = ${number(v)}`).join(", ")}`).on("click", () => {
      m.hyper.forEach((each, k) => { if (each.name in best) state.values[i][k] = +best[each.name].toPrecision(6); });
      showMethods(); draw(); basinsSoon();
    });
  });
}

// ---------------------------------------------------------------- the start

function moveTo(x) { state.start = x.map((v, k) => Number.isFinite(v) ? v : state.start[k]); projected(PROBLEM, state.start); draw(); }
const pointed = e => { const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(map.node().getScreenCTM().inverse()); return [sx.invert(p.x), sy.invert(p.y)]; };
function dragTo(e) {
  const to = pointed(e), x = [...state.start];
  x[state.axes[0]] = to[0];
  if (n > 1) x[state.axes[1]] = to[1];
  moveTo(x);
}
let dragging = false;
map.on("pointerdown", e => {
  if (e.pointerType === "touch" && !e.target.closest(".start")) return; // so that a page scrolls
  dragging = true; map.node().setPointerCapture(e.pointerId); handle.node().focus({preventScroll: true}); dragTo(e);
}).on("pointermove", e => { if (dragging) dragTo(e); }).on("pointerup pointercancel", () => { dragging = false; })
  .on("click", e => { if (e.pointerType === "touch") dragTo(e); })
  .on("wheel", e => {
    if (!e.ctrlKey) return; // else the page scrolls
    e.preventDefault();
    zoom(Math.exp(e.deltaY*0.0015), pointed(e));
  }, {passive: false});
function zoom(k, about) {
  state.axes.slice(0, Math.min(n, 2)).forEach((a, i) => { state.window[a] = state.window[a].map(v => about[i] + (v - about[i])*k); });
  ends = null; drawGround(); draw(); drawBasins(); basinsSoon();
}
const centre = () => state.axes.map(a => (state.window[a][0] + state.window[a][1])/2);
$("closer").onclick = () => zoom(0.7, centre());
$("farther").onclick = () => zoom(1/0.7, centre());
handle.on("keydown", e => {
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[e.key];
  if (!way) return;
  e.preventDefault();
  const x = [...state.start], size = e.shiftKey ? 0.1 : 0.01;
  state.axes.slice(0, Math.min(n, 2)).forEach((a, i) => { x[a] += way[i]*size*(state.window[a][1] - state.window[a][0]); });
  moveTo(x);
});
const startInputs = data.variables.map((name, k) => {
  const label = select("#start-fields").append("label").attr("class", "number").text(`${name} `);
  return label.append("input").attr("type", "number").attr("step", "any").attr("aria-label", `start, ${name}`).on("input", e => {
    if (Number.isFinite(e.target.valueAsNumber)) { const x = [...state.start]; x[k] = e.target.valueAsNumber; moveTo(x); }
  }).node();
});

// -------------------------------------------------------------- steps, play

let playing = 0;
const show = t => { state.shown = Math.max(0, Math.min(state.steps, Math.round(t))); drawShown(); remember(); };
function stop() { cancelAnimationFrame(playing); playing = 0; $("play").textContent = "play"; }
$("play").onclick = () => {
  if (playing) return stop();
  $("play").textContent = "pause";
  const longest = Math.max(1, ...results.filter(Boolean).map(r => r.count - 1));
  let from = state.shown >= longest ? 0 : state.shown, began = null;
  const tick = now => {
    began ??= now;
    const part = (now - began)/6000, t = Math.floor(from + (longest - from)*part*part + part*20);
    show(Math.min(t, longest));
    if (t >= longest) stop(); else playing = requestAnimationFrame(tick);
  };
  playing = requestAnimationFrame(tick);
};
$("back").onclick = () => { stop(); show(Math.min(state.shown, Math.max(...results.filter(Boolean).map(r => r.count - 1), 0)) - 1); };
$("forward").onclick = () => { stop(); show(state.shown + 1); };
$("shown").oninput = e => { stop(); show(+e.target.value); };
$("shown-number").oninput = e => { stop(); if (Number.isFinite(e.target.valueAsNumber)) show(e.target.valueAsNumber); };
$("steps").oninput = e => { const v = e.target.valueAsNumber; if (v >= 1 && v <= 20000) { const all = state.shown >= state.steps; state.steps = Math.round(v); if (all) state.shown = state.steps; draw(); } };
$("quantity").onchange = e => { state.quantity = e.target.value; draw(); };
$("log-steps").onchange = e => { state.logSteps = e.target.checked; draw(); };

// ---------------------------------------------------- where each start ends

const COLUMNS = 72, ROWS = n > 1 ? 60 : 1, basinColour = e => e < 0 ? "var(--ink)" : `oklch(0.68 0.15 ${(40 + 137.5*e) % 360})`;
let worker = null, ends = null;
// The whole of the worker: its program is the page's own.
function workerMain() {
  onmessage = ({data: {PROBLEM, k, width, h, steps, starts, minima, near}}) => {
    const found = starts.map(start => {
      const r = descend(PROBLEM, k, width, start, h, steps);
      if (r.end !== "converged") return r.end === "going on" ? -2 : -1;
      const x = r.xs.subarray(PROBLEM.n*(r.count - 1), PROBLEM.n*r.count);
      const away = minima.map(m => Math.max(...m.map((v, i) => Math.abs(v - x[i]))));
      const closest = away.indexOf(Math.min(...away));
      return away[closest] <= near ? closest : -3;
    });
    postMessage(found);
  };
}
function basins() {
  worker?.terminate(); worker = null; ends = null;
  $("basins").checked = state.basins >= 0; $("basins-of").hidden = state.basins < 0;
  if (state.basins < 0) { $("basins-told").textContent = ""; drawBasins(); return; }
  const k = state.basins, m = data.methods[k], starts = [], [a, b] = sx.domain(), [c, d] = sy.domain();
  $("basins-of").value = k;
  for (let j = 0; j < ROWS; j++) for (let i = 0; i < COLUMNS; i++) {
    const x = n > 2 ? [...anchor()] : new Array(n);
    x[state.axes[0]] = a + (i + 0.5)*(b - a)/COLUMNS;
    if (n > 1) x[state.axes[1]] = c + (j + 0.5)*(d - c)/ROWS;
    starts.push(x);
  }
  const minima = data.minima.map(each => each.x), near = 1e-3*Math.max(...state.window.map(([p, q]) => q - p));
  const code = ["program", "descent"].map(id => $(id).textContent).join("\n") + `\n(${workerMain})();`;
  const url = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
  $("basins-told").textContent = "computing ...";
  try { worker = new Worker(url); } catch { $("basins-told").textContent = "this frame allows no worker"; return; }
  worker.onmessage = e => { ends = e.data; tellBasins(); drawBasins(); };
  worker.onerror = () => { $("basins-told").textContent = "this frame allows no worker"; };
  worker.postMessage({PROBLEM, k, width: m.width, h: state.values[k], steps: Math.max(state.steps, 2000), starts, minima, near});
}
function tellBasins() {
  const count = e => ends.filter(v => v === e).length, part = v => `${Math.round(100*v/ends.length)} %`;
  const parts = data.minima.map((m, i) => [`minimum ${i + 1}`, count(i)]).filter(p => p[1]);
  parts.push(["elsewhere", count(-3)], ["not yet there", count(-2)], ["diverging", count(-1)]);
  $("basins-told").textContent = parts.filter(p => p[1]).map(([name, v]) => `${name}: ${part(v)}`).join(", ");
}
function drawBasins() {
  const runs = [], [a, b] = sx.domain(), [c, d] = sy.domain();
  if (ends) for (let j = 0; j < ROWS; j++) for (let i = 0; i < COLUMNS;) {
    let k = i;
    while (k < COLUMNS && ends[j*COLUMNS + k] === ends[j*COLUMNS + i]) k++;
    runs.push({i, k, j, end: ends[j*COLUMNS + i]});
    i = k;
  }
  const bottom = H - M.bottom, tall = ROWS > 1 ? null : 26;
  basinLayer.selectAll("rect").data(runs).join("rect").attr("x", r => sx(a + r.i*(b - a)/COLUMNS)).attr("width", r => (r.k - r.i)*(sx(b) - sx(a))/COLUMNS)
    .attr("y", r => tall ? bottom - tall : sy(c + (r.j + 1)*(d - c)/ROWS)).attr("height", tall ?? (bottom - M.top)/ROWS + 0.3)
    .attr("fill", r => basinColour(r.end)).attr("fill-opacity", r => r.end === -2 ? 0 : r.end < 0 ? 0.55 : 0.5);
  marks.selectAll("text").data(ends && data.minima.length > 1 ? data.minima : []).join("text").attr("font-size", 13).attr("font-weight", 700).attr("fill", "var(--ink)").attr("stroke", "var(--halo)").attr("stroke-width", 3).attr("paint-order", "stroke")
    .attr("x", m => spot(m.x, m.f)[0] + 8).attr("y", m => spot(m.x, m.f)[1] - 8).text((_, i) => i + 1);
}
data.methods.forEach((m, i) => select("#basins-of").append("option").attr("value", i).text(m.name));
$("basins").onchange = e => { state.basins = e.target.checked ? Math.max(0, state.on.indexOf(true)) : -1; basins(); remember(); };
$("basins-of").onchange = e => { state.basins = +e.target.value; basins(); remember(); };
let waiting = 0;
const basinsSoon = () => { if (state.basins < 0) return; clearTimeout(waiting); waiting = setTimeout(basins, 150); };

// ------------------------------------------------------------ to take along

const literal = JSON.stringify, shell = text => `'${text.replaceAll("'", "'\\''")}'`;
const chosen = () => data.methods.map((m, i) => ({m, i})).filter(({i}) => state.on[i]);
const settings = ({m, i}) => m.hyper.map((h, j) => [h.name, h.text ?? state.values[i][j]]);
function python() {
  const dictionary = pairs => `{${pairs.map(([k, v]) => `${literal(k)}: ${literal(v)}`).join(", ")}}`;
  const constants = Object.entries(data.parameters), lines = ["import symgd", ""];
  lines.push(constants.length ? `f = symgd.Objective(${literal(data.formula)}, parameters=${dictionary(constants)})` : `f = ${literal(data.formula)}`);
  lines.push(`start = ${dictionary(data.variables.map((v, k) => [v, state.start[k]]))}`, "methods = [");
  for (const each of chosen()) {
    const rule = each.m.builtIn ? literal(each.m.builtIn) : `symgd.Rule.from_text(${literal(each.m.text)})`;
    lines.push(`    (${rule}, ${dictionary(settings(each))}),`);
  }
  const side = v => v === null ? "None" : v;
  const bounds = data.bounds ? `, bounds={${data.bounds.map(([low, high], k) => `${literal(data.variables[k])}: (${side(low)}, ${side(high)})`).join(", ")}}` : "";
  lines.push("]", `print(symgd.race(f, start, methods, maxiter=${state.steps}${bounds}))`);
  return lines.join("\n") + "\n";
}
function command() {
  const parts = ["symgd race", shell(data.formula)];
  for (const [k, v] of Object.entries(data.parameters)) parts.push("--parameter", shell(`${k}=${v}`));
  parts.push("--start", shell(data.variables.map((v, k) => `${v}=${state.start[k]}`).join(",")));
  if (data.bounds) parts.push("--bounds", shell(data.bounds.map(([low, high], k) => `${data.variables[k]}=${low ?? ""}:${high ?? ""}`).join(",")));
  const methods = chosen().map(each => `${each.m.name}(${settings(each).map(([k, v]) => `${k}=${v}`).join(",")})`);
  parts.push("--methods", shell(methods.join(",")), "--maxiter", state.steps);
  return parts.join(" ");
}
async function copy(text, what) {
  let done = false;
  if (window === parent) try { await navigator.clipboard.writeText(text); done = true; } catch { /* a file may not ask for it */ }
  if (!done) {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text; area.select(); done = document.execCommand("copy"); area.remove();
  }
  $("done").textContent = done ? `${what} copied` : "nothing can be copied from here";
}
$("copy-python").onclick = () => copy(python(), "Python");
$("copy-command").onclick = () => copy(command(), "command line");
$("copy-link").onclick = () => copy(location.href.split("#")[0] + remember(), "link");
$("reset").onclick = () => { stop(); state = first(); showAll(); $("done").textContent = ""; };

// A picture of its own: what the page's style sheet says is written into it.
function picture() {
  const copied = map.node().cloneNode(true), own = getComputedStyle(document.documentElement);
  copied.querySelectorAll(".start").forEach(e => e.removeAttribute("tabindex"));
  copied.querySelectorAll(".grip").forEach(e => e.remove());
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg"); copied.setAttribute("width", W); copied.setAttribute("height", H);
  const names = new Set(), text = new XMLSerializer().serializeToString(copied);
  for (const match of text.matchAll(/var\((--\w+)\)/g)) names.add(match[1]);
  const style = [...names].map(name => `${name}:${own.getPropertyValue(name).trim()}`).join(";");
  return text.replace(/>/, `><style>svg{${style};background:${own.getPropertyValue("--paper")}}</style>`);
}
$("download").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([picture()], {type: "image/svg+xml"}));
  link.download = "descent.svg"; link.click();
};

// --------------------------------------------------- compared with symgd's runs

function compareNative() {
  let worst = 0, count = 0;
  const usual = first();
  data.methods.forEach((m, i) => {
    const rows = m.native.length, r = rows ? descend(PROBLEM, i, m.width, usual.start, usual.values[i], rows - 1) : null;
    for (let t = 0; t < Math.min(rows, r?.count ?? 0); t++) m.native[t].forEach((v, k) => { count++; worst = Math.max(worst, Math.abs(v - r.xs[n*t + k])/Math.max(1, Math.abs(v))); });
  });
  const same = worst <= 1e-9;
  $("compared").className = same ? "hint" : "told bad";
  $("compared").textContent = count ? (same ? `The first steps of all methods agree with native runs of symgd, to ${worst.toExponential(1)}.` : `The first steps differ from native runs of symgd by up to ${worst.toExponential(1)}: trust those.`) : "";
  return worst;
}

// ------------------------------------------------------------------ start up

if (n > 2) {
  $("axes").hidden = false;
  state.axes.forEach((_, side) => {
    const chooser = select("#axes").append("label").attr("class", "number").text(side ? "up " : "across ").append("select").attr("aria-label", side ? "variable up" : "variable across");
    data.variables.forEach((v, k) => chooser.append("option").attr("value", k).text(v));
    chooser.on("change", e => {
      const other = state.axes[1 - side], old = state.axes[side];
      state.axes[side] = +e.target.value;
      if (state.axes[side] === other) state.axes[1 - side] = old;
      showAll();
    });
  });
  select("#axes").append("span").attr("class", "hint").text(data.minima.length ? "a slice of f through the lowest minimum; paths are projected on it" : "a slice of f through the start; paths are projected on it");
}
function measure() {
  W = map.node().clientWidth || 680; H = Math.round(W < 500 ? W : Math.max(0.62*W, Math.min(0.82*W, 0.66*innerHeight + 60)));
  CW = curve.node().clientWidth || 460;
  map.attr("viewBox", `0 0 ${W} ${H}`); curve.attr("viewBox", `0 0 ${CW} ${CH}`);
  clip.attr("width", W - M.left - M.right).attr("height", H - M.top - M.bottom);
}
recall();
function showAll() {
  measure();
  $("quantity").value = state.quantity; $("log-steps").checked = state.logSteps;
  document.querySelectorAll("#axes select").forEach((chooser, side) => { chooser.value = state.axes[side]; });
  showMethods(); drawGround(); draw(); basins();
}
showAll();
let wide = innerWidth;
addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; showAll(); } });
const worst = compareNative();
window.symgd = {data, PROBLEM, descend, python, command, picture, worst, get state() { return state; }, get results() { return results; }, get ends() { return ends; }, get drawMs() { return drawMs; }};
})();
