// The Explorer: sliders, a curve, a breakdown and one sentence. It computes nothing: Python has evaluated every
// point, and this module looks them up. `vegaEmbed` comes from the bundler, `h`, `say`, `quantity` … from shared.js.

async function render({ model, el }) {
  const config = model.get("config");
  const { axes, grid, unit } = config;

  // What a place on the grid holds: see Grid.packed in Python.

  function cell(index) {
    const at = ({ strides, values }) => values[index.reduce((sum, i, k) => sum + i * strides[k], 0)];
    const parts = Object.entries(grid.parts).map(([name, column]) => ({ name, value: at(column) }));
    const reason = at(grid.reason);
    if (reason) return { value: null, low: null, high: null, parts, text: grid.texts[reason] };
    const value = grid.value ? at(grid.value) : parts.reduce((sum, part) => sum + part.value, 0);
    const scale = grid.scaled ? value : 1;
    const [low, high] = grid.low ? [at(grid.low) * scale, at(grid.high) * scale] : [value, value];
    return { value, low, high, parts, text: grid.texts[at(grid.note)] };
  }

  const axisText = (axis, i) => (axis.categorical ? axis.values[i] : quantity(axis.values[i], axis.unit));
  const withX = (index, i) => index.map((old, k) => (k === config.x ? i : old));
  const withColour = (index, i) => index.map((old, k) => (k === config.colour ? i : old));
  const series = config.colour === null ? [""] : axes[config.colour].values;
  const seriesOf = (index) => (config.colour === null ? "" : series[index[config.colour]]);
  const same = (a, b) => a.every((i, k) => i === b[k]);

  // Whether a point lies on the picture: it may differ from the chosen one along the curve and in colour only.
  const beside = (a, b) => a.every((i, k) => i === b[k] || k === config.x || k === config.colour);

  function sentence(index, { value, low, high, parts }) {
    const words = { value, low, high };
    for (const part of parts) words[`part:${part.name}`] = part.value;
    for (const name of Object.keys(words)) words[name] = quantity(words[name], unit);
    axes.forEach((axis, k) => (words[axis.name] = axisText(axis, index[k])));
    return config.readout.replace(/\{([^{}]*)\}/g, (_, name) => words[name]);
  }

  function choose(index) {
    model.set("index", index);
    model.save_changes();
  }

  // Controls.

  const message = h("p", { class: "labkit-message", role: "status", hidden: true });

  function control(axis, k) {
    const id = uniqueId();
    const label = h("label", { for: id }, axis.label);
    const move = (i) => choose(model.get("index").map((old, other) => (other === k ? i : old)));
    if (axis.categorical) {
      const select = h("select", { id }, ...axis.values.map((value, i) => h("option", { value: i }, value)));
      select.addEventListener("change", () => {
        say(message, "");
        move(select.selectedIndex);
      });
      return { row: h("div", { class: "labkit-row" }, label, select), show: (i) => (select.selectedIndex = i) };
    }

    const last = axis.values.length - 1;
    const slider = h("input", { id, type: "range", min: 0, max: last, step: 1 });
    const number = h("input", {
      type: "number",
      step: "any",
      min: axis.values[0],
      max: axis.values[last],
      "aria-label": `${axis.label}${axis.unit && `, in ${axis.unit}`}: type a value`,
    });

    slider.addEventListener("input", () => {
      say(message, "");
      move(slider.valueAsNumber);
    });
    // The arrow keys go from value to value, as on the slider.
    number.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      say(message, "");
      move(Math.min(Math.max(model.get("index")[k] + by, 0), last));
    });
    number.addEventListener("change", () => {
      const { value, trouble } = typed(number, axis.values[0], axis.values[last], axis.unit);
      let i = model.get("index")[k];
      if (value !== undefined) {
        const away = axis.values.map((other) => Math.abs(other - value));
        i = away.indexOf(Math.min(...away));
      }
      const now = `${axis.label} is ${value === undefined ? "still" : "now"} ${axisText(axis, i)}`;
      if (trouble) say(message, `${trouble} ${now}.`);
      else if (axis.values[i] === value) say(message, "");
      else say(message, `${quantity(value, axis.unit)} is not on the slider. ${now}, the nearest value.`);
      move(i);
      number.value = axis.values[i];
    });

    const entry = h("span", { class: "labkit-entry" }, number, h("span", { "aria-hidden": "true" }, axis.unit));
    return {
      row: h("div", { class: "labkit-row" }, label, slider, entry),
      show(i) {
        slider.value = i;
        slider.setAttribute("aria-valuetext", axisText(axis, i));
        number.value = axis.values[i];
      },
    };
  }

  const controls = axes.map(control);
  const presets = config.presets.map(({ label, index }) => {
    const button = h("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      say(message, "");
      choose(model.get("index").map((old, k) => index[k] ?? old));
    });
    const chosen = (now) => index.every((i, k) => i === null || i === now[k]);
    return { button, show: (now) => button.setAttribute("aria-pressed", chosen(now)) };
  });

  // The chart. Its scales hold for one choice of the frames, so a move of a slider changes data only.

  const frame = (index) => config.frames.reduce((at, k) => at * axes[k].values.length + index[k], 0);

  const drawing = h("div", { class: "labkit-chart", role: "img" });
  let embedded;
  let shown;
  let width = 0;

  function rows(index) {
    const x = axes[config.x].values;
    const curve = [];
    const band = [];
    series.forEach((name, s) => {
      const line = config.colour === null ? index : withColour(index, s);
      const chosen = name === seriesOf(index);
      x.forEach((value, i) => {
        const { value: y, low, high } = cell(withX(line, i));
        curve.push({ x: value, y, series: name, chosen });
        if (chosen) band.push({ x: value, low, high, series: name });
      });
    });
    const place = (at) => ({ x: x[at[config.x]], series: seriesOf(at) });
    const near = (points) => points.filter((point) => beside(point.index, index));
    const told = ({ index: at, value: y, label }) => ({ ...place(at), y, label: `${label}: ${quantity(y, unit)}` });
    return {
      curve,
      band: grid.low ? band : [],
      point: [{ ...place(index), y: cell(index).value }],
      measured: near(model.get("dots")).map(({ index: at, value: y, low, high }) => {
        return { ...place(at), y, low, high, label: `measured: ${quantity(y, unit)}` };
      }),
      elsewhere: near(config.elsewhere).map(told),
      published: near(config.published).map(told),
    };
  }

  function draw() {
    if (frame(model.get("index")) !== shown) embed();
    if (!embedded) return;
    for (const [name, data] of Object.entries(rows(model.get("index")))) embedded.view.data(name, data);
    embedded.view.run();
  }

  async function embed() {
    const target = h("div", { "aria-hidden": "true" }); // the label of the drawing says what it shows
    drawing.replaceChildren(target);
    shown = frame(model.get("index"));
    const spec = { ...model.get("specs")[shown] }; // without its data, which `draw` brings
    if (width) spec.width = width;
    embedded?.finalize();
    embedded = undefined;
    // `ast`: expressions are interpreted, for pages whose policy forbids `eval`.
    const plain = { actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip: false };
    const chart = await vegaEmbed(target, spec, plain);
    if (!drawing.contains(target)) return chart.finalize(); // another choice was made meanwhile
    embedded = chart;
    draw();
  }

  const resized = new ResizeObserver(([{ contentRect }]) => {
    const now = Math.floor(contentRect.width);
    if (!now || now === width) return;
    width = now;
    embedded?.view.width(width).run();
  });

  // The legend, the breakdown and the words.

  function glyph(draw, colour) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const set = (node, attributes) => {
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    };
    set(svg, { width: 24, height: 12, "aria-hidden": "true" });
    set(path, { fill: "none", stroke: colour, "stroke-width": 2, ...draw });
    svg.append(path);
    return svg;
  }

  const key = (draw, colour, ...words) => h("li", {}, glyph(draw, colour), h("span", {}, ...words));
  const [, MEASURED, PUBLISHED] = config.colours;
  const colourOf = (i) => config.colours[i % config.colours.length];
  const lines = series.map((name, s) => {
    const dash = config.dashes[s % config.dashes.length].join(" ");
    return key({ d: "M1 6H23", "stroke-dasharray": dash }, colourOf(s), name || "predicted");
  });
  const range = key({ d: "M1 1H23V11H1Z", fill: "currentColor", opacity: 0.25 }, "none", "its range");
  const machine = model.get("live") ? "this machine" : "the machine that built this page";
  const diamond = { d: "M12 1L17 6L12 11L7 6Z" };
  const fill = config.colour === null ? MEASURED : "currentColor";
  const measured = key({ ...diamond, fill }, "none", `measured on ${machine}`);
  const legend = h("ul", { class: "labkit-legend" }, ...lines, ...(grid.low ? [range] : []), measured);

  const sources = h("ul", { class: "labkit-sources" });
  const bar = h("div", { class: "labkit-bar", "aria-hidden": "true" });
  const breakdown = h("ul", { class: "labkit-legend", "aria-label": `What the ${config.quantity} is made of` });
  const segments = Object.keys(grid.parts).map((name, i) => {
    const look = { class: `labkit-part${i >= config.colours.length ? " labkit-striped" : ""}` };
    const segment = h("span", look);
    const swatch = h("span", look);
    segment.style.setProperty("--part", colourOf(i));
    swatch.style.setProperty("--part", colourOf(i));
    const value = h("b");
    const entry = h("li", {}, swatch, h("span", {}, `${name} `, value));
    bar.append(segment);
    breakdown.append(entry);
    return { segment, entry, value };
  });
  const made = h("div", { class: "labkit-breakdown" }, bar, breakdown);

  const readout = h("p", { class: "labkit-sentence" });
  const note = h("p", { class: "labkit-note" });
  const verdict = h("p", { class: "labkit-note" });

  function describe(index) {
    const here = cell(index);
    const there = here.value !== null;
    say(readout, there ? sentence(index, here) : here.text);
    readout.classList.toggle("labkit-unavailable", !there);
    say(note, there ? here.text : "");

    made.hidden = !there || !segments.length;
    const total = here.parts.reduce((sum, part) => sum + part.value, 0) || 1;
    segments.forEach(({ segment, entry, value }, i) => {
      const part = there ? here.parts[i].value : 0;
      segment.hidden = entry.hidden = !part;
      segment.style.flexGrow = part / total;
      value.textContent = quantity(part, unit);
    });

    const dot = model.get("dots").findLast((point) => same(point.index, index));
    say(verdict, dot ? compared(here, dot) : "");
    measured.hidden = !model.get("dots").length;
    lines.forEach((line, s) => line.classList.toggle("labkit-chosen", s === index[config.colour]));
    drawing.setAttribute("aria-label", `${config.quantity} against ${axes[config.x].label}. ${readout.textContent}`);
  }

  function compared({ value }, dot) {
    const interval = dot.low < dot.high ? ` (${quantity(dot.low, unit)} to ${quantity(dot.high, unit)})` : "";
    const found = `measured ${quantity(dot.value, unit)}${interval}`;
    const aside = dot.note && ` ${dot.note}`;
    if (value === null) return `No prediction, ${found}.${aside}`;
    const error = (100 * Math.abs(value - dot.value)) / Math.abs(dot.value);
    const off = dot.value ? `: ${error < 1 ? "less than 1" : quantity(Math.round(error), "")} % off` : "";
    return `Predicted ${quantity(value, unit)}, ${found}${off}.${aside}`;
  }

  function cited(figures, index, sign, colour, before) {
    const near = figures.filter((point) => beside(point.index, index));
    const together = {}; // what one source says of a curve, in one line
    for (const point of near) (together[`${point.label} ${point.source}`] ??= []).push(point);
    return Object.values(together).map((points) => {
      const { label, source } = points[0];
      const values = points.map(({ value }) => value);
      const link = /^https?:\/\//.test(source);
      const origin = link ? h("a", { href: source, rel: "noopener" }, source) : source;
      const range = [Math.min(...values), Math.max(...values)].map((value) => quantity(value, unit));
      const said = points.length === 1 ? range[0] : `${points.length} points, ${range[0]} to ${range[1]}`;
      return key(sign, colour, `${before}${label}, ${said}. Source: `, origin);
    });
  }

  function cite(index) {
    const square = { d: "M7.5 1.5H16.5V10.5H7.5Z" };
    const elsewhere = cited(config.elsewhere, index, diamond, MEASURED, "");
    sources.replaceChildren(...elsewhere, ...cited(config.published, index, square, PUBLISHED, "published: "));
    sources.hidden = !sources.children.length;
  }

  // Measuring, where there is a kernel; a link to one, where there is none.

  function measuring() {
    const button = h("button", { type: "button", class: "labkit-primary" });
    const progress = h("progress", { max: 1, "aria-label": "Progress of the measurement" });
    const status = h("p", { class: "labkit-note", role: "status" });
    let waiting;
    button.addEventListener("click", () => {
      const { state } = model.get("job");
      const active = state === "running" || state === "busy";
      const stopped = send(model, active ? { do: "cancel" } : { do: "measure", index: model.get("index") });
      say(status, stopped || (active ? "Stopping at the next step …" : "Asking the kernel …"));
      clearTimeout(waiting);
      if (stopped) return;
      const silent = "The kernel has not answered. It may be busy with a cell; if it has stopped, run the lab again.";
      waiting = setTimeout(() => say(status, silent), 5000);
    });
    const show = () => {
      clearTimeout(waiting);
      const { state, fraction, text } = model.get("job");
      const running = state === "running";
      button.textContent = { running: "Cancel", busy: "Cancel the other measurement" }[state] ?? "Measure this point";
      progress.hidden = !running;
      progress.value = fraction;
      say(status, running ? `${text} (${Math.round(100 * fraction)} %)` : text);
    };
    show();
    return { section: h("div", { class: "labkit-measure" }, button, progress, status), show };
  }

  let measure;
  let action = "";
  if (config.measurable && model.get("live")) {
    measure = measuring();
    action = measure.section;
  } else if (config.measurable) {
    const href = config.run_url || launchLink();
    if (href) {
      const link = h("a", { href, class: "labkit-run" }, "Run this lab to measure it on your machine");
      action = h("div", { class: "labkit-measure" }, link);
    }
  }

  // All together.

  const words = h("div", { "aria-live": "polite" }, readout, note, verdict);
  const choices = h("div", { class: "labkit-presets", role: "group", "aria-label": "Presets" });
  choices.append(...presets.map(({ button }) => button));
  const name = uniqueId();
  const root = panel(
    "explorer",
    { role: "group", "aria-labelledby": name },
    h("p", { class: "labkit-title", id: name }, config.title),
    presets.length ? choices : "",
    h("div", { class: "labkit-controls" }, ...controls.map(({ row }) => row)),
    message,
    h("p", { class: "labkit-quantity" }, config.quantity),
    drawing,
    legend,
    sources,
    made,
    words,
    action,
  );
  el.replaceChildren(root);

  function tell() {
    const index = model.get("index");
    controls.forEach((each, k) => each.show(index[k]));
    presets.forEach((each) => each.show(index));
    describe(index);
    cite(index);
  }

  function show() {
    tell();
    draw();
  }

  const listeners = { "change:index": show, "change:dots": show, "change:specs": embed };
  if (measure) listeners["change:job"] = measure.show;
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);

  width = Math.floor(drawing.clientWidth);
  tell();
  await embed();
  resized.observe(drawing);
  return () => {
    resized.disconnect();
    embedded?.finalize();
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}
