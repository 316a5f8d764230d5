// The table at the end of a lab: the reader's guess, the model, the machine, and how far apart they are.

function apart(value, truth, unit) {
  const more = value > truth ? "too high" : "too low";
  const gap = Math.abs(value - truth);
  if (["%", "points"].includes(unit)) return gap < 0.05 ? "right" : `${quantity(gap, gap === 1 ? "point" : "points")} ${more}`;
  if (gap <= 0.005 * Math.abs(truth)) return "right";
  const factor = Math.max(value / truth, truth / value);
  if (factor >= 2 && Number.isFinite(factor)) return `${quantity(factor, "times")} ${more}`;
  return truth ? `${quantity((100 * gap) / Math.abs(truth), "%")} ${more}` : `${quantity(gap, unit)} ${more}`;
}

function render({ model, el }) {
  const live = model.get("live");
  const machine = live ? "Your machine" : "The machine that built this page";
  const { rows } = model.get("config");

  function side(outcome, unit) {
    if (!outcome) return "–";
    if (outcome.value === null) return outcome.reason;
    const { value, low, high } = outcome;
    const interval = low < high ? ` (${quantity(low, unit)} to ${quantity(high, unit)})` : "";
    return quantity(value, unit) + interval;
  }

  function missing(key) {
    const link = h("a", { href: `#guess-${key}` }, "go back and make one");
    link.addEventListener("click", (event) => {
      const target = document.getElementById(`guess-${key}`);
      if (!target) return;
      event.preventDefault();
      target.scrollIntoView({ block: "center" });
      target.focus({ preventScroll: true });
    });
    return h("span", {}, "no guess yet: ", link);
  }

  const lines = rows.map(({ label, key, unit, predicted, measured }) => {
    const guess = h("td");
    const difference = h("td");
    const line = h("tr", {}, h("th", { scope: "row" }, label), guess);
    line.append(h("td", {}, side(predicted, unit)), h("td", {}, side(measured, unit)), difference);
    const show = () => {
      const value = (live ? model.get("guesses")[key] : storedGuesses(key).at(-1)?.value) ?? null;
      guess.replaceChildren(value === null ? missing(key) : quantity(value, unit));
      const truth = measured?.value ?? null;
      const gaps = [];
      if (truth !== null && value !== null) gaps.push(`Your guess: ${apart(value, truth, unit)}`);
      const said = predicted?.value ?? null;
      if (truth !== null && said !== null) gaps.push(`The model: ${apart(said, truth, unit)}`);
      difference.replaceChildren(...(gaps.length ? gaps.map((gap) => h("div", {}, gap)) : ["–"]));
    };
    return { line, show };
  });

  const show = () => lines.forEach((each) => each.show());
  const heads = ["", "Your guess", "The model", machine, "Difference"];
  const cells = heads.map((head) => (head ? h("th", { scope: "col" }, head) : h("td")));
  const caption = h("caption", {}, "Your guess beside the prediction and the measurement");
  const head = h("thead", {}, h("tr", {}, ...cells));
  const table = h("table", {}, caption, head, h("tbody", {}, ...lines.map(({ line }) => line)));
  lines.forEach(({ line }) => [...line.children].forEach((cell, i) => i && cell.setAttribute("data-head", heads[i])));
  el.replaceChildren(panel("beside", {}, table));
  show();

  model.on("change:guesses", show);
  document.addEventListener("labkit:guess", show);
  window.addEventListener("storage", show);
  return () => {
    model.off("change:guesses", show);
    document.removeEventListener("labkit:guess", show);
    window.removeEventListener("storage", show);
  };
}
