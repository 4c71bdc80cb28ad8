// Addresses that strangers may write, and what a page makes of its own part of them.
const [seconds, seed] = process.argv.slice(1).map(Number);
let random = seed;  // a linear congruential generator
const below = k => Math.floor((random = (1103515245*random + 12345) % 2147483648) / 2147483648 * k);
const n = 2, window = {}, parent = window, history = {replaceState() {}}, location = {hash: ""};
const data = {variables: ["x", "y"], start: [1, 2], window: [[-1, 1], [-2, 2]], parameters: {},
  methods: [{name: "gd", hyper: [{name: "s", value: 0.1}]}, {name: "adam", hyper: []}]};
STATE;
const made = [() => below(9) - 4, () => 10**below(400), () => "__proto__", () => null, () => [], () => ({}), () => -0.5,
  () => true, () => "gap", () => [[1, 0], [0, 1]], () => [1e308, -1e308], () => NaN, () => [0, [0]], () => "constructor"];
const any = depth => depth && below(3) ? (below(2) ? Array.from({length: below(4)}, () => any(depth - 1)) : {length: any(depth - 1), 0: any(0)}) : made[below(made.length)]();
const numbers = [() => below(9) - 4, () => 10**below(309), () => -below(99)/7, () => 5e-324];
const changed = value => typeof value === "number" && below(4) ? numbers[below(4)]() : Array.isArray(value) && value.length && below(4) ? value.map(v => below(2) ? changed(v) : v) : any(2);
function fragment() {
  const given = first(), keys = [...Object.keys(given), "__proto__", "toString", "x"];
  for (let k = below(4); k >= 0; k--) { const key = keys[below(keys.length)]; given[key] = changed(given[key]); }
  let text = JSON.stringify(given);
  if (!below(4)) text = text.slice(0, below(text.length)) + String.fromCharCode(below(65536)) + text.slice(below(text.length));
  return "#" + (below(5) ? encodeURIComponent(text.replace(/[\ud800-\udfff]/g, "?")) : text + "%");
}
const finite = v => Array.isArray(v) ? v.every(finite) : typeof v !== "number" || Number.isFinite(v);
const form = v => Array.isArray(v) ? v.map(form) : typeof v;
const whole = (v, low, high) => Number.isInteger(v) && low <= v && v <= high;
const right = s => JSON.stringify(form(Object.values(s))) === JSON.stringify(form(Object.values(first()))) && finite(Object.values(s))
  && Object.keys(s).join() === Object.keys(first()).join() && whole(s.steps, 1, 20000) && whole(s.shown, 0, s.steps)
  && s.axes.every(a => whole(a, 0, n - 1)) && s.window.every(([a, b]) => a < b) && ["gap", "norm"].includes(s.quantity)
  && (s.basins === -1 || whole(s.basins, 0, data.methods.length - 1)) && ({}).polluted === undefined;
let count = 0, kept = 0, slowest = 0;
for (const end = Date.now() + 1000*seconds; Date.now() < end; count++) {
  state = first();
  location.hash = fragment();
  const begun = Date.now();
  recall();
  slowest = Math.max(slowest, Date.now() - begun);
  kept += JSON.stringify(state) !== JSON.stringify(first());
  if (!right(state)) { console.log("wrong: " + location.hash + " gives " + JSON.stringify(state)); process.exit(1); }
}
console.log(`${count} fragments, of which ${kept} change what is shown; the slowest took ${slowest} ms`);
