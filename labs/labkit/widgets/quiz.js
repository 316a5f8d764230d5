// A self-check: native radio buttons, a reason for every choice, and a score.

function render({ model, el }) {
  const { title, questions } = model.get("config");
  const right = questions.map(() => undefined); // undefined until it is checked

  const score = h("p", { class: "labkit-sentence", "aria-live": "polite" });
  const again = h("button", { type: "button", hidden: true }, "Start again");

  function tally() {
    const checked = right.filter((answer) => answer !== undefined).length;
    const good = right.filter(Boolean).length;
    const left = questions.length - checked;
    const rest = left ? `, ${left} left` : good === questions.length ? ": all of them." : ": try the others again.";
    score.textContent = checked ? `${good} of ${questions.length} right${rest}` : "";
    again.hidden = !checked;
  }

  const asked = questions.map(({ text, choices }, q) => {
    const group = uniqueId();
    const feedback = h("p", { class: "labkit-feedback", "aria-live": "polite" });
    const radios = choices.map((_, c) => h("input", { type: "radio", name: group, value: c }));
    const check = h("button", { type: "button" }, "Check");

    function clear() {
      feedback.textContent = "";
      feedback.removeAttribute("data-right");
    }
    check.addEventListener("click", () => {
      const chosen = choices[radios.findIndex((radio) => radio.checked)];
      clear();
      if (!chosen) {
        feedback.textContent = "Choose an answer first.";
        return;
      }
      right[q] = chosen.correct;
      feedback.textContent = `${chosen.correct ? "Right." : "Not quite."} ${chosen.feedback}`;
      feedback.setAttribute("data-right", chosen.correct);
      tally();
    });
    radios.forEach((radio) => radio.addEventListener("change", clear));

    const labels = choices.map((choice, c) => {
      return h("label", { class: "labkit-choice" }, radios[c], h("span", {}, choice.text));
    });
    const number = questions.length > 1 ? `${q + 1}. ` : "";
    const fieldset = h("fieldset", {}, h("legend", {}, number + text), ...labels, check, feedback);
    return {
      fieldset,
      reset() {
        radios.forEach((radio) => (radio.checked = false));
        clear();
      },
      focus: () => radios[0].focus(),
    };
  });

  again.addEventListener("click", () => {
    right.fill(undefined);
    asked.forEach((each) => each.reset());
    tally();
    asked[0].focus();
  });

  const name = uniqueId();
  el.replaceChildren(
    panel(
      "quiz",
      { role: "group", "aria-labelledby": name },
      h("p", { class: "labkit-title", id: name }, title),
      ...asked.map(({ fieldset }) => fieldset),
      h("div", { class: "labkit-measure" }, score, again),
    ),
  );
}
