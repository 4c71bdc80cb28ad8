"use strict";
// The loop of every rule, as symgd's own: the page and its worker both run it.
// PROBLEM is {n, p, bounds}, of the page's data.
const GTOL = 1e-8;

function projected(PROBLEM, x) {
  if (!PROBLEM.bounds) return;
  for (let k = 0; k < PROBLEM.n; k++) {
    const [low, high] = PROBLEM.bounds[k];
    if (low !== null && x[k] < low) x[k] = low;
    if (high !== null && x[k] > high) x[k] = high;
  }
}

// The largest component of the gradient, but for those that bounds hold.
function normOf(PROBLEM, x, fg) {
  let norm = 0;
  for (let k = 0; k < PROBLEM.n; k++) {
    const g = fg[k + 1], [low, high] = PROBLEM.bounds ? PROBLEM.bounds[k] : [null, null];
    const held = (low !== null && x[k] <= low && g > 0) || (high !== null && x[k] >= high && g < 0);
    if (!held && !(Math.abs(g) <= norm)) norm = Math.abs(g);
  }
  return norm;
}

// Update all coordinates: their slots stand together in s, those after it in next.
// Reductions are formed before, again where one holds another; a stage may end with value
// and gradient at a point (ends 1), with a value alone (2), or a product with the Hessian (3).
function updated(PROBLEM, part, room, t, fg, s, h, width, next) {
  const {n, p} = PROBLEM, {totals, own, out, there, at} = room, ahead = [];
  const load = k => {
    for (let j = 0; j < width; j++) own[j] = s[k*width + j];
    ahead.forEach((slopes, row) => { own[width + row] = slopes[k]; });
  };
  let place = part.totals, point = part.totals;
  for (const end of part.ends) {
    const sums = new Float64Array(part.totals);
    for (let k = 0; k < n; k++) {
      load(k);
      part.summands(t, fg[k + 1], fg[0], own, k, h, totals, out);
      for (let j = 0; j < part.totals; j++) sums[j] += out[j];
      there[k] = out[place];
    }
    totals.set(sums);
    if (!end) continue;
    place++;
    if (end === 3) product(Float64Array.from({length: n}, (_, k) => s[k*width]), there, p, at);
    else {
      projected(PROBLEM, there);
      evaluate(there, p, at);
      totals[point++] = at[0];
    }
    // A value that isn't finite spoils the gradient.
    if (end !== 2) ahead.push(at.slice(1).map(g => g + (at[0] - at[0])));
  }
  for (let k = 0; k < n; k++) {
    load(k);
    part.slots(t, fg[k + 1], fg[0], own, k, h, totals, out);
    for (let j = 0; j < width; j++) next[k*width + j] = out[j];
    for (const slopes of ahead) next[k*width] += slopes[k] - slopes[k];
  }
}

// What an update works with, that is made once.
function roomFor(part, n, width) {
  const known = part.totals + part.places, numbers = size => new Float64Array(size);
  return {totals: numbers(known), own: numbers(width + part.places), out: numbers(Math.max(width, known)),
    there: numbers(n), at: numbers(n + 1)};
}

// Descend by rule k, of `width` numbers for each coordinate, with hyperparameters h.
// Returns the iterates, their values and gradient norms, and how it ended:
// "converged", "diverged" (the last iterate is the last finite one), "undefined" (at
// the start) or "going on".
function descend(PROBLEM, k, width, start, h, steps) {
  const {n, p} = PROBLEM, rule = RULES[k], fg = new Float64Array(n + 1), hyper = new Float64Array(h.length);
  const xs = new Float64Array(n*(steps + 1)), values = new Float64Array(steps + 1), norms = new Float64Array(steps + 1);
  let s = new Float64Array(n*width), next = new Float64Array(n*width), end = "going on", count = 0;
  const x = new Float64Array(start), room = roomFor(rule.step, n, width);
  projected(PROBLEM, x);
  const look = t => {
    evaluate(x, p, fg);
    let everything = 0;
    for (const v of fg) everything += v;
    for (const v of s) everything += v;
    if (!Number.isFinite(everything) && ![...fg, ...s].every(Number.isFinite)) return false;
    xs.set(x, n*t); values[t] = fg[0]; norms[t] = normOf(PROBLEM, x, fg); count = t + 1;
    return true;
  };
  if (!look(0)) return {xs, values, norms, count: 0, end: "undefined"};
  for (let i = 0; i < n; i++) s[i*width] = x[i];
  rule.schedule(1, h, hyper);
  updated(PROBLEM, rule.first, roomFor(rule.first, n, width), 1, fg, s, hyper, width, next); [s, next] = [next, s];
  for (let i = 0; i < n; i++) s[i*width] = x[i];
  if (norms[0] <= GTOL) return {xs, values, norms, count, end: "converged"};
  for (let t = 1; t <= steps; t++) {
    rule.schedule(t, h, hyper);
    updated(PROBLEM, rule.step, room, t, fg, s, hyper, width, next);
    [s, next] = [next, s];
    for (let i = 0; i < n; i++) x[i] = s[i*width];
    if (PROBLEM.bounds) { projected(PROBLEM, x); for (let i = 0; i < n; i++) s[i*width] = x[i]; }
    if (!look(t)) { end = "diverged"; break; }
    if (norms[t] <= GTOL) { end = "converged"; break; }
  }
  return {xs, values, norms, count, end};
}
