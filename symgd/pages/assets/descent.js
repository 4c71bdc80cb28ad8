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
// Reductions are formed before, again where one holds another.
function updated(part, t, fg, s, h, n, width, own, out, next) {
  let totals = new Float64Array(part.totals);
  for (let stage = 0; stage < part.stages; stage++) {
    const sums = new Float64Array(part.totals);
    for (let k = 0; k < n; k++) {
      for (let j = 0; j < width; j++) own[j] = s[k*width + j];
      part.summands(t, fg[k + 1], fg[0], own, k, h, totals, out);
      for (let j = 0; j < part.totals; j++) sums[j] += out[j];
    }
    totals = sums;
  }
  for (let k = 0; k < n; k++) {
    for (let j = 0; j < width; j++) own[j] = s[k*width + j];
    part.slots(t, fg[k + 1], fg[0], own, k, h, totals, out);
    for (let j = 0; j < width; j++) next[k*width + j] = out[j];
  }
}

// Descend by rule k, of `width` numbers for each coordinate, with hyperparameters h.
// Returns the iterates, their values and gradient norms, and how it ended:
// "converged", "diverged" (the last iterate is the last finite one), "undefined" (at
// the start) or "going on".
function descend(PROBLEM, k, width, start, h, steps) {
  const {n, p} = PROBLEM, rule = RULES[k], fg = new Float64Array(n + 1), hyper = new Float64Array(h.length);
  const xs = new Float64Array(n*(steps + 1)), values = new Float64Array(steps + 1), norms = new Float64Array(steps + 1);
  let s = new Float64Array(n*width), next = new Float64Array(n*width), end = "going on", count = 0;
  const x = new Float64Array(start), own = new Float64Array(width), out = new Float64Array(Math.max(width, rule.step.totals, rule.first.totals));
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
  updated(rule.first, 1, fg, s, hyper, n, width, own, out, next); [s, next] = [next, s];
  for (let i = 0; i < n; i++) s[i*width] = x[i];
  if (norms[0] <= GTOL) return {xs, values, norms, count, end: "converged"};
  for (let t = 1; t <= steps; t++) {
    rule.schedule(t, h, hyper);
    updated(rule.step, t, fg, s, hyper, n, width, own, out, next);
    [s, next] = [next, s];
    for (let i = 0; i < n; i++) x[i] = s[i*width];
    if (PROBLEM.bounds) { projected(PROBLEM, x); for (let i = 0; i < n; i++) s[i*width] = x[i]; }
    if (!look(t)) { end = "diverged"; break; }
    if (norms[t] <= GTOL) { end = "converged"; break; }
  }
  return {xs, values, norms, count, end};
}
