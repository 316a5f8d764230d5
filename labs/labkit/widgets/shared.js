// Shared by the widgets: labkit.widget puts this in front of each widget's module.

const DECIMAL = { "-9": "n", "-6": "µ", "-3": "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E" };
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
const LEAST_PERCENT = 0.001;
const MOST_DIGITS = 12; // after the point
const PREFIXED = ["s", "B/s", "FLOP/s", "OP/s", "FLOP", "J", "W", "bit/s", "Hz"];

// Rounds a tie to the even digit, as Python does; toFixed rounds it up.
function fixed(number, digits) {
  if (Math.abs(number) >= 1e21) return BigInt(number).toString();
  const up = number.toFixed(digits);
  const exact = number.toFixed(Math.min(100, digits + 60));
  const tie = /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + digits));
  if (!tie || Number(up.at(-1)) % 2 === 0) return up;
  const step = Number(`1e-${digits}`);
  return (Number(up) - Math.sign(number) * step).toFixed(digits);
}

function threeDigits(number) {
  if (number === 0) return "0";
  const digits = Math.min(MOST_DIGITS, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number)))));
  const [whole, fraction = ""] = fixed(number, digits).split(".");
  const rest = fraction.replace(/0+$/, "");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest && `.${rest}`);
}

// The same text as labkit.units.quantity in Python; a test holds the two together.
function quantity(value, unit) {
  if (unit === "B") {
    const size = Math.abs(value);
    const step = size >= 1 ? Math.min(Math.floor(Math.log2(size) / 10), BINARY.length - 1) : 0;
    return `${threeDigits(value / 1024 ** step)} ${BINARY[step]}B`;
  }
  if (PREFIXED.includes(unit) && value) {
    let exponent = Math.min(Math.max(3 * Math.floor(Math.log10(Math.abs(value)) / 3), -9), 18);
    if (unit === "s" && exponent > 0) exponent = 0;
    return `${threeDigits(value / Number(`1e${exponent}`))} ${DECIMAL[exponent]}${unit}`;
  }
  if (unit === "%" && value > 0 && value < LEAST_PERCENT) return `less than ${LEAST_PERCENT} %`;
  if (unit === "times" && threeDigits(value) === "1") return "1.00 times";
  const one = value === 1 && /^[a-z]{2,}s$/.test(unit); // 1 picture, 2 pictures
  return `${threeDigits(value)} ${one ? unit.slice(0, -1) : unit}`.trimEnd();
}

// An element with properties, attributes (names with a hyphen, and `class`, `for`, `role`) and children.
function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || ["class", "for", "role"].includes(name)) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

// The outermost element of a widget. Plain keys stay inside: JupyterLab, which has shortcuts on single keys, would take
// the arrow keys from sliders and radio buttons and move to another cell.
function panel(kind, properties, ...children) {
  const node = h("div", { class: `labkit labkit-${kind}`, ...properties }, ...children);
  node.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey) event.stopPropagation();
  });
  return node;
}

// Changes the text only where it differs, so that a live region speaks only when there is something new.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

function uniqueId() {
  return `labkit-${Math.random().toString(36).slice(2)}`;
}

// Sends a message to the kernel; returns what to tell the reader where the widget's kernel is gone.
function send(model, content) {
  try {
    model.send(content);
    return "";
  } catch {
    return "The kernel of this widget has stopped. Run the lab again, from its first cell.";
  }
}

// Where the reader can run the lab: the page's own launch link.
function launchLink() {
  return document.querySelector('a[href*="colab.research.google.com"]')?.href;
}

// A typed number, or a plain sentence on why it is none.
function typed(input, low, high, unit) {
  const span = `${quantity(low, unit)} to ${quantity(high, unit)}`;
  if (input.value.trim() === "" || !Number.isFinite(input.valueAsNumber)) {
    return { trouble: `Please type a number from ${span}.` };
  }
  const value = input.valueAsNumber;
  if (value < low) return { value, trouble: `${quantity(value, unit)} is below the range of ${span}.` };
  if (value > high) return { value, trouble: `${quantity(value, unit)} is above the range of ${span}.` };
  return { value };
}

// In a page without a kernel the browser keeps the guesses; where it may not, the page remembers until it is left.
function storedGuesses(key) {
  try {
    const isGuess = ({ value, at }) => Number.isFinite(value) && Number.isFinite(Date.parse(at));
    return JSON.parse(localStorage.getItem(`labkit-guess:${key}`)).filter(isGuess);
  } catch {
    return [];
  }
}

function storeGuesses(key, history) {
  try {
    localStorage.setItem(`labkit-guess:${key}`, JSON.stringify(history));
    return "";
  } catch {
    return "Your guess counts, but this browser does not let the page keep it for the next visit.";
  }
}

