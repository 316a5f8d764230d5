// A table to sort and to filter: buttons in its head, a field for words, a list of kinds, and rows that open.

const BLANK = "–";

function cell(value, unit) {
  if (value === null || value === "") return BLANK;
  if (unit === null) return value;
  return unit ? quantity(value, unit) : Math.round(value).toLocaleString("en-GB");
}

// Blanks come last in both directions.
function compare(a, b, down) {
  const blank = (value) => value === null || value === "";
  if (blank(a) || blank(b)) return blank(a) - blank(b);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true, sensitivity: "base" }) : a - b;
  return down ? -order : order;
}

// A text in which every address is a link.
function linked(text) {
  return text.split(/(https:\/\/[^\s;,)]+)/).map((part, i) => {
    return i % 2 ? h("a", { href: part }, part.replace("https://", "")) : part;
  });
}

function render({ model, el }) {
  const { title, noun, columns, rows, kind, more } = model.get("config");
  const state = { sorted: null, down: false };
  const count = (n) => `${n} ${n === 1 ? noun.replace(/s$/, "") : noun}`;

  const entries = rows.map(([values, texts]) => {
    const [name, ...rest] = values.map((value, i) => cell(value, columns[i].unit));
    const id = uniqueId();
    const cells = rest.map((text, i) => h("td", { class: columns[i + 1].unit === null ? "" : "labkit-number" }, text));
    const toggle = h("button", { type: "button", "aria-expanded": "false", "aria-controls": id }, name);
    const row = h("tr", {}, h("th", { scope: "row" }, texts.some(Boolean) ? toggle : name), ...cells);
    const terms = more.flatMap((label, i) => {
      return texts[i] ? [h("dt", {}, label), h("dd", {}, ...linked(texts[i]))] : [];
    });
    const opened = h("tr", { class: "labkit-opened", id, hidden: true });
    opened.append(h("td", { colSpan: columns.length }, h("dl", {}, ...terms)));
    const entry = { values, row, opened, open: false, kept: true };
    entry.words = [...values.filter((value) => typeof value === "string"), ...texts].join(" ").toLowerCase();
    entry.show = () => {
      row.hidden = !entry.kept;
      opened.hidden = !entry.kept || !entry.open;
      toggle.setAttribute("aria-expanded", entry.open);
    };
    toggle.addEventListener("click", () => {
      entry.open = !entry.open;
      entry.show();
    });
    return entry;
  });

  const body = h("tbody", {}, ...entries.flatMap(({ row, opened }) => [row, opened]));
  const heads = columns.map(({ label, unit }, i) => {
    const button = h("button", { type: "button" }, label, h("span", { "aria-hidden": "true" }));
    const head = h("th", { scope: "col", class: unit === null ? "" : "labkit-number" }, button);
    button.addEventListener("click", () => {
      state.down = state.sorted === i ? !state.down : unit !== null; // numbers begin with the largest
      state.sorted = i;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      entries.sort((a, b) => compare(a.values[i], b.values[i], state.down));
      body.append(...entries.flatMap(({ row, opened }) => [row, opened]));
      report();
    });
    return head;
  });

  const words = h("input", { type: "search", id: uniqueId(), autocomplete: "off", spellcheck: false });
  const kinds = [...new Set(rows.map(([values]) => values[kind]))].filter(Boolean);
  const choice = h("select", { id: uniqueId() }, h("option", { value: "" }, "all"));
  choice.append(...kinds.map((each) => h("option", {}, each)));
  const status = h("p", { class: "labkit-note", role: "status" });
  const again = h("button", { type: "button", hidden: true }, "Show all");

  function report() {
    const kept = entries.filter((entry) => entry.kept).length;
    const all = kept === entries.length;
    const shown = all ? `${count(kept)}.` : `${kept} of ${count(entries.length)}.`;
    const { sorted, down } = state;
    const numbers = sorted !== null && columns[sorted].unit !== null;
    const end = numbers ? (down ? "largest first" : "smallest first") : down ? "from Z to A" : "from A to Z";
    const order = sorted === null ? "" : ` Sorted by ${columns[sorted].label}, ${end}.`;
    say(status, kept ? shown + order : `Nothing matches. Use fewer words, or show all ${count(entries.length)}.`);
    again.hidden = all;
  }

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) {
      const ofKind = !choice.value || entry.values[kind] === choice.value;
      entry.kept = ofKind && wanted.every((word) => entry.words.includes(word));
      entry.show();
    }
    report();
  }
  words.addEventListener("input", filter);
  choice.addEventListener("change", filter);
  again.addEventListener("click", () => {
    words.value = choice.value = "";
    filter();
    words.focus();
  });

  const bar = h("div", { class: "labkit-filter" }, h("label", { for: words.id }, "Filter"), words);
  if (kind !== null) bar.append(h("label", { for: choice.id }, columns[kind].label), choice);
  bar.append(again);
  const name = uniqueId();
  const table = h("table", { "aria-labelledby": name }, h("thead", {}, h("tr", {}, ...heads)), body);
  el.replaceChildren(
    panel(
      "table",
      {},
      h("p", { class: "labkit-title", id: name }, title),
      bar,
      status,
      h("div", { class: "labkit-scroll", role: "region", "aria-labelledby": name, tabIndex: 0 }, table),
    ),
  );
  report();
}
