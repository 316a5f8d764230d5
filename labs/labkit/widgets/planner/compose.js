// The bill of labkit.plan.bill in a browser: which formula gets which figures. The formulas themselves, `formulas` and
// `conditions`, are translated from Python and stand in front of this; a test holds both sides equal.

const CASES = ["favourable", "usual", "unfavourable"];

// What is known of the world and what the reader stated, by name; for what is missing the reason.
function environment({ world, fields }, inputs, which) {
  const place = CASES.indexOf(which);
  const machine = world.accelerators[inputs.accelerator];
  const found = {};
  const missing = {};
  for (const [name, cases] of Object.entries(world.constants)) found[name] = cases[place];
  found.transformer = Number(inputs.kind === "transformer");
  found.training_share = found[`training_share_${inputs.kind}`];
  found.format_bytes = world.formats[inputs.precision];
  found.training_peak = machine.peak_bf16;
  for (const name of ["memory_bytes", "memory_bandwidth", "accelerator_watts"]) found[name] = machine[name];
  for (const price of world.prices) {
    if (price in machine) found[price] = machine[price + ["_low", "", "_high"][place]];
    else missing[price] = world.no_price.replace("{accelerator}", inputs.accelerator).replace("{price}", price);
  }
  const served = inputs.peak_rate || inputs.sites * inputs.cloud_percent;
  const peak = machine[`peak_${inputs.precision}`];
  if (!served) found.serving_peak = machine.peak_bf16;
  else if (peak) found.serving_peak = peak;
  else {
    const named = world.no_format.replace("{accelerator}", inputs.accelerator);
    missing.serving_peak = named.replace("{precision}", inputs.precision);
  }
  Object.assign(found, world.devices[inputs.device]);
  for (const { name, high } of fields) if (high !== null && inputs[name] !== null) found[name] = inputs[name];
  for (const name of Object.keys(missing)) if (name in found) delete missing[name];
  return [found, missing];
}

function valuesOf(config, [start, missing]) {
  const found = { ...start };
  const absent = { ...missing };
  const fails = ({ name, needs }) => !conditions[name](...needs.map((need) => found[need]));
  for (const { name, needs } of config.lines) {
    const lacking = needs.find((need) => need in absent);
    if (lacking === undefined) {
      found[name] = formulas[name](...needs.map((need) => found[need]));
      const rule = config.rules.find((each) => each.stops === name && fails(each));
      if (rule) absent[name] = said(rule.says, found);
    } else absent[name] = absent[lacking];
  }
  for (const name of Object.keys(absent)) delete found[name];
  return [found, absent];
}

function said(sentence, found) {
  return sentence.replace(/\{(\w+)(?::([^}]+))?\}/g, (_, name, unit) => quantity(found[name], unit ?? ""));
}

function composeBill(config, inputs) {
  const cases = CASES.map((which) => valuesOf(config, environment(config, inputs, which)));
  const [found, absent] = cases[1];
  const entries = {};
  for (const { name, choices } of config.lines) {
    const numbers = cases.map(([values]) => values[name]).filter((value) => value !== undefined);
    const there = name in found;
    entries[name] = {
      value: there ? found[name] : null,
      low: there ? Math.min(...numbers) : null,
      high: there ? Math.max(...numbers) : null,
      why: absent[name] ?? "",
      risk: there ? cases[2][1][name] ?? "" : "",
      binds: choices && choices[1].every((each) => each in found) ? deciding(choices, found) : "",
    };
  }
  const judged = ({ needs }, among) => needs.every((need) => need in among);
  const holds = ({ name, needs }, among) => conditions[name](...needs.map((need) => among[need]));
  const unfavourable = cases[2][0];
  const demands = config.rules.filter((rule) => !rule.stops && judged(rule, found));
  const broken = demands.filter((rule) => !holds(rule, found)).map(({ says }) => said(says, found));
  const kept = demands
    .filter((rule) => rule.checks && (found[rule.when] ?? 1) && holds(rule, found))
    .map((rule) => [rule, judged(rule, unfavourable) && holds(rule, unfavourable)])
    .map(([{ checks }, sure]) => said(checks, found) + (sure ? "" : ` ${config.at_risk}`));
  const asked = {
    training_accelerators: inputs.runs,
    inference_accelerators: inputs.peak_rate || inputs.sites * inputs.cloud_percent,
    devices: inputs.sites,
  };
  for (const [name, amount] of Object.entries(asked)) {
    if (amount && entries[name].why && !broken.includes(entries[name].why)) broken.push(entries[name].why);
  }
  return { entries, broken, kept };
}

function deciding([kind, names], found) {
  const better = kind === "max" ? (a, b) => found[b] > found[a] : (a, b) => found[b] < found[a];
  return names.reduce((best, name) => (better(best, name) ? name : best));
}

// The inputs that change the monthly cost most where each is doubled, and by what share it changes.
function sensitivityOf(config, inputs) {
  const [start, missing] = environment(config, inputs, "usual");
  const base = valuesOf(config, [start, missing])[0][config.target];
  if (!base) return [];
  const changes = [];
  for (const name of config.moving) {
    if (!start[name]) continue;
    const moved = valuesOf(config, [{ ...start, [name]: 2 * start[name] }, missing])[0][config.target];
    if (moved !== undefined && moved !== base) changes.push([name, moved / base - 1]);
  }
  return changes.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 3);
}
