// A guess that stays: committed, dated, and never overwritten.

function when(at) {
  const date = new Date(at);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = date.toDateString() === new Date().toDateString();
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

function render({ model, el }) {
  const { key, question, unit, low, high, step } = model.get("config");
  const live = model.get("live");
  if (!live) model.set("history", storedGuesses(key));

  // A range of several orders of magnitude needs a slider that moves by factors.
  const byFactor = low > 0 && high / low >= 1000;
  const toValue = (place) => (byFactor ? Number((low * (high / low) ** place).toPrecision(2)) : place);
  const toPlace = (value) => (byFactor ? Math.log(value / low) / Math.log(high / low) : value);

  const id = uniqueId();
  const linear = { min: low, max: high, step, value: (low + high) / 2 };
  const scale = byFactor ? { min: 0, max: 1, step: 0.005, value: 0.5 } : linear;
  const slider = h("input", { id, type: "range", ...scale, "aria-valuetext": "no guess yet" });
  const name = `Your guess${unit && `, in ${unit}`}: type a value`;
  const number = h("input", { type: "number", step: "any", min: low, max: high, "aria-label": name });
  const entry = h("span", { class: "labkit-entry" }, number, h("span", { "aria-hidden": "true" }, unit));
  const row = h("div", { class: "labkit-row" }, h("label", { for: id }, "Your guess"), slider, entry);
  const button = h("button", { type: "button", class: "labkit-primary" });
  const status = h("p", { class: "labkit-sentence", role: "status" });
  const trouble = h("p", { class: "labkit-message", role: "alert", hidden: true });
  const earlier = h("ol", { class: "labkit-earlier", "aria-label": "Your earlier guesses" });
  let again = false;

  slider.addEventListener("input", () => {
    const value = Math.min(Math.max(toValue(slider.valueAsNumber), low), high);
    number.value = value;
    slider.setAttribute("aria-valuetext", quantity(value, unit));
  });
  number.addEventListener("input", () => {
    const { value, trouble: outside } = typed(number, low, high, unit);
    if (outside) return;
    slider.value = toPlace(value);
    slider.setAttribute("aria-valuetext", quantity(value, unit));
  });
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") button.click();
  });
  button.addEventListener("click", () => {
    const history = model.get("history");
    if (history.length && !again) {
      again = true;
      show();
      number.focus();
      return;
    }
    const { value, trouble: outside } = typed(number, low, high, unit);
    if (outside) {
      say(trouble, outside);
      return;
    }
    const stopped = live ? send(model, {}) : ""; // an empty message only asks whether the kernel is there
    if (stopped) {
      say(trouble, stopped);
      return;
    }
    again = false;
    const extended = [...history, { value, at: new Date().toISOString() }];
    say(trouble, live ? "" : storeGuesses(key, extended));
    model.set("history", extended);
    model.save_changes();
    document.dispatchEvent(new CustomEvent("labkit:guess", { detail: { key, value } }));
  });

  function show() {
    const history = model.get("history");
    const locked = history.length > 0 && !again;
    const latest = history.at(-1);
    row.hidden = locked;
    button.textContent = locked ? "Guess again" : "Commit";
    button.classList.toggle("labkit-primary", !locked);
    say(status, locked ? `Your guess: ${quantity(latest.value, unit)}, committed ${when(latest.at)}` : "");
    const shown = locked ? history.slice(0, -1) : history;
    earlier.replaceChildren(...shown.map(({ value, at }) => h("li", {}, `${quantity(value, unit)}, ${when(at)}`)));
    earlier.hidden = !shown.length;
    caption.hidden = !shown.length;
  }
  function warn() {
    say(trouble, model.get("message"));
  }

  const title = uniqueId();
  const caption = h("p", { class: "labkit-note" }, "Earlier:");
  el.replaceChildren(
    panel(
      "guess",
      { id: `guess-${key}`, role: "group", "aria-labelledby": title, tabIndex: -1 },
      h("p", { class: "labkit-title", id: title }, question),
      row,
      status,
      trouble,
      h("div", { class: "labkit-measure" }, button),
      caption,
      earlier,
    ),
  );
  model.on("change:history", show);
  model.on("change:message", warn);
  show();
  warn();
  return () => {
    model.off("change:history", show);
    model.off("change:message", warn);
  };
}
