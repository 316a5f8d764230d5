// The planner: inputs in units, the bill with an interval on every line, alternatives, and a link to the state.

const LINK = "#plan?";
const COMPARED = ["accelerators", "devices", "watts", "month_if_rented", "month_if_bought"]; // of the alternatives
const STATUS = { met: "This plan meets the workload.", not: "This plan does not meet the workload." };

function render({ model, el }) {
  const config = model.get("config");
  const live = model.get("live");
  const labels = Object.fromEntries([...config.fields, ...config.lines].map(({ name, label }) => [name, label]));
  let inputs = { ...config.examples[config.start].inputs };
  let title = config.examples[config.start].title;
  const controls = {};

  const written = (value, unit) => (value === null ? "–" : quantity(value, unit));
  const span = (low, high, unit) => {
    const ends = [written(low, unit), written(high, unit)];
    return ends[0] === ends[1] ? "" : ends.join(" to ");
  };

  // Inputs

  function control(field) {
    const { name, label, unit, low, high, options } = field;
    const id = uniqueId();
    const message = h("p", { class: "labkit-message", role: "alert", hidden: true });
    let entry;
    if (options) {
      entry = h("select", { id }, ...options.map((value) => h("option", { value }, value)));
      entry.addEventListener("change", () => set(name, entry.value));
    } else {
      entry = h("input", { id, type: "number", step: "any", min: low, max: high });
      entry.addEventListener("change", () => {
        if (entry.value.trim() === "" && field.default === null && world(name)) return set(name, null);
        const { value, trouble = "" } = typed(entry, low, high, unit);
        say(message, trouble || consistent(name, value));
        if (!message.textContent) set(name, value);
      });
    }
    controls[name] = (value) => {
      entry.value = value >= 1e6 && !options ? Number(value.toPrecision(6)).toExponential() : value ?? "";
      say(message, "");
    };
    const row = h("div", { class: "labkit-field" }, h("label", { for: id }, label));
    row.append(h("span", { class: "labkit-entry" }, entry, unit), message);
    if (field.source) row.append(h("small", {}, field.source));
    return row;
  }
  const world = (name) => config.world.prices.includes(name);

  function consistent(name, value) {
    const next = { ...inputs, [name]: value };
    const broken = config.consistency.find(([less, factor, more]) => factor * next[less] > next[more] * (1 + 1e-9));
    if (!broken) return "";
    const [less, factor, more] = broken;
    return `${labels[more]} must be at least ${factor === 1 ? "" : `${factor} × `}${labels[less].toLowerCase()}.`;
  }

  function set(name, value) {
    inputs = { ...inputs, [name]: value };
    title = "Your workload";
    show();
  }

  function load(next, name) {
    inputs = next;
    title = name;
    for (const [field, put] of Object.entries(controls)) put(inputs[field]);
    show();
  }

  // The link

  function address() {
    const changed = Object.entries(inputs).filter(([name, value]) => value !== config.defaults[name]);
    return LINK + new URLSearchParams(changed.map(([name, value]) => [name, value ?? ""]));
  }

  function fromLink() {
    if (!location.hash.startsWith(LINK)) return false;
    const next = { ...config.defaults };
    for (const [name, text] of new URLSearchParams(location.hash.slice(LINK.length))) {
      const field = config.fields.find((each) => each.name === name);
      if (!field) continue;
      const value = Number(text);
      if (field.options ? field.options.includes(text) : text !== "" && value >= field.low && value <= field.high) {
        next[name] = field.options ? text : value;
      }
    }
    if (Object.values(next).includes(undefined)) return false;
    load(next, "A workload from a link");
    return true;
  }

  // The bill

  const sentence = h("p", { class: "labkit-sentence", "aria-live": "polite" });
  const broken = h("ul", { class: "labkit-broken" });
  const kept = h("ul", { class: "labkit-kept" });
  const drawing = h("div", { class: "labkit-composition" });
  const bill = h("tbody");
  const others = h("tbody");
  const matters = h("ul");
  const link = h("input", { type: "text", readOnly: true, "aria-label": "A link to this plan" });

  function shown(line, entries) {
    const depends = line.when && (line.when in inputs ? inputs[line.when] : entries[line.when].value);
    return line.shown && depends !== 0;
  }

  function opened(line, entry) {
    const binds = entry.binds && `What binds: ${labels[entry.binds].toLowerCase()}.`;
    const texts = [
      `${line.words}.`,
      ...line.symbols,
      binds,
      line.from.length && `Yours that it depends on: ${line.from.map((name) => labels[name].toLowerCase()).join("; ")}.`,
      line.moves.length && `If it moves, so do: ${line.moves.map((name) => labels[name].toLowerCase()).join("; ")}.`,
      ...line.sources.map((source) => `From others: ${source}.`),
    ];
    return h("details", {}, h("summary", {}, line.label), ...texts.filter(Boolean).map((text) => h("p", {}, text)));
  }

  function rows(entries) {
    const open = new Set([...bill.querySelectorAll("details[open] > summary")].map((each) => each.textContent));
    let part = "";
    const found = [];
    for (const line of config.lines.filter((each) => shown(each, entries))) {
      const entry = entries[line.name];
      if (line.part !== part) found.push(h("tr", {}, h("th", { scope: "colgroup", colSpan: 4 }, line.part)));
      part = line.part;
      const details = opened(line, entry);
      details.open = open.has(line.label);
      const range = entry.risk ? `from ${written(entry.low, line.unit)}; may fail: ${entry.risk}` : span(entry.low, entry.high, line.unit);
      const row = h("tr", {}, h("th", { scope: "row" }, details));
      if (entry.value === null) row.append(h("td", { colSpan: 3 }, entry.why));
      else row.append(h("td", {}, written(entry.value, line.unit)), h("td", {}, range), h("td", {}, line.kind));
      found.push(row);
    }
    return found;
  }

  function composition(entries) {
    const groups = [
      ["Training", entries.training_accelerators.value, inputs.runs, "accelerators"],
      ["Inference", entries.inference_accelerators.value, entries.requests_at_peak.value, "accelerators"],
      ["Edge", entries.devices.value, inputs.sites, "devices"],
    ];
    return groups.filter(([, count, asked]) => asked && count).map(([name, count, , things]) => {
      const each = Math.ceil(count / 96);
      const squares = Array.from({ length: Math.ceil(count / each) }, () => h("i"));
      const words = `${name}: ${quantity(count, things)}${each > 1 ? `, ${quantity(each, "")} in each square` : ""}`;
      return h("div", { role: "img", "aria-label": words }, h("span", {}, words), h("div", {}, ...squares));
    });
  }

  function alternatives(plan) {
    const cases = [["as stated", {}]];
    for (const name of Object.keys(config.world.accelerators)) {
      if (name !== inputs.accelerator) cases.push([name, { accelerator: name, rent_usd: null, buy_usd: null }]);
    }
    for (const [name, cloud_percent] of Object.entries(inputs.sites ? config.cloud : {})) {
      if (cloud_percent !== inputs.cloud_percent) cases.push([name, { cloud_percent }]);
    }
    const replica = plan.entries.replica_accelerators.value;
    const served = inputs.peak_rate || inputs.sites * inputs.cloud_percent;
    if (served && replica && 2 * replica <= config.together) {
      cases.push([config.larger_replica, { replica_least: 2 * replica }]);
    }
    const deadline_days = inputs.deadline_days + config.month_days;
    if (inputs.runs && deadline_days <= 365) cases.push([config.more_time, { deadline_days }]);
    return cases.map(([name, change]) => {
      const { entries, broken: fails } = composeBill(config, { ...inputs, ...change });
      const cell = (line) => h("td", {}, written(entries[line].value, labelled[line].unit));
      const row = h("tr", {}, h("th", { scope: "row" }, name));
      const found = fails.length ? `no: ${fails[0]}` : "yes";
      if (entries.accelerators.value === null) row.append(h("td", { colSpan: COMPARED.length + 1 }, found));
      else row.append(...COMPARED.map(cell), h("td", {}, found));
      return row;
    });
  }
  const labelled = Object.fromEntries(config.lines.map((line) => [line.name, line]));

  function summary({ entries, broken: fails }) {
    const month = entries[config.target];
    const parts = [
      entries.accelerators.value && `${quantity(entries.accelerators.value, "accelerators")} in ${quantity(entries.nodes.value, "nodes")}`,
      inputs.sites && entries.devices.value && quantity(entries.devices.value, "edge devices"),
      month.value !== null && `${quantity(month.value, "USD")} a month with accelerators rented${span(month.low, month.high, "USD") && ` (${span(month.low, month.high, "USD")})`}`,
    ];
    return `${title}: ${parts.filter(Boolean).join(", ")}. ${fails.length ? STATUS.not : STATUS.met}`;
  }

  function show() {
    const plan = composeBill(config, inputs);
    say(sentence, summary(plan));
    broken.replaceChildren(...plan.broken.map((text) => h("li", {}, text)));
    broken.hidden = !plan.broken.length;
    kept.replaceChildren(...plan.kept.map((text) => h("li", {}, text)));
    drawing.replaceChildren(...composition(plan.entries));
    bill.replaceChildren(...rows(plan.entries));
    others.replaceChildren(...alternatives(plan));
    matters.replaceChildren(...sensitivityOf(config, inputs).map(([name, change]) => {
      return h("li", {}, `${labels[name]}: doubled, the month costs ${quantity(Math.abs(100 * change), "%")} ${change > 0 ? "more" : "less"}.`);
    }));
    link.value = live ? address() : location.href.split("#")[0] + address();
    if (!live && started) history.replaceState(null, "", address());
  }

  // The page

  const presets = Object.values(config.examples).map(({ title: name, inputs: values }) => {
    const button = h("button", { type: "button" }, name);
    button.addEventListener("click", () => load({ ...values }, name));
    return button;
  });
  const sections = Object.entries(config.sections).map(([section, name]) => {
    const fields = config.fields.filter((field) => field.section === section).map(control);
    return h("details", { class: "labkit-inputs" }, h("summary", {}, name), ...fields);
  });
  const copy = h("button", { type: "button" }, "Copy the link");
  copy.addEventListener("click", async () => {
    link.select();
    await navigator.clipboard?.writeText(link.value).catch(() => {});
  });
  const head = (...names) => h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name))));
  const table = (caption, heads, body) => {
    const inside = h("table", {}, h("caption", {}, caption), head(...heads), body);
    return h("div", { class: body === bill ? "labkit-wide labkit-bill" : "labkit-wide", tabIndex: 0, role: "group", "aria-label": caption }, inside);
  };
  const today = new Date().toISOString().slice(0, 10);
  const old = config.old.figures.filter((each) => each.from <= today).map(({ name }) => name);
  const heading = uniqueId();
  el.replaceChildren(
    panel(
      "planner",
      { role: "group", "aria-labelledby": heading },
      h("p", { class: "labkit-title", id: heading }, "Compose your cluster"),
      h("div", { class: "labkit-presets" }, ...presets),
      ...sections,
      sentence,
      h("p", { class: "labkit-note", hidden: !config.held }, config.held),
      broken,
      drawing,
      table("The bill", ["line", "value", "low to high", "where from"], bill),
      h("p", { class: "labkit-title" }, "What was checked"),
      kept,
      h("p", { class: "labkit-note", hidden: !old.length }, `${config.old.says} ${old.join("; ")}.`),
      h("p", { class: "labkit-title" }, "What moves the month most"),
      matters,
      table("Beside it", ["alternative", "accelerators", "edge devices", "power", "a month, rented", "a month, bought", "meets it"], others),
      h("div", { class: "labkit-measure" }, link, copy),
    ),
  );
  let started = false;
  if (live || !fromLink()) load(inputs, title);
  started = true;
}
