// Renders widgets into a page that has no kernel: a model that only remembers, in place of the one in Jupyter.

(() => {
"use strict";

class StaticModel {
  #state;
  #listeners = new Map();

  constructor(state) {
    this.#state = state;
  }
  get(name) {
    return this.#state[name];
  }
  set(name, value) {
    this.#state[name] = value;
    for (const listener of this.#listeners.get(`change:${name}`) ?? []) listener();
  }
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }
  save_changes() {}
  send() {}
}

// The state that labkit.widgets.base has packed into the page.
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

// Replaces the picture or text inside `host` by the living widget; if that fails, they stay.
async function mount(host, render) {
  const state = await unpacked(host.querySelector('script[type="text/plain"]').textContent);
  const el = document.createElement("div");
  host.append(el);
  try {
    await render({ model: new StaticModel(state), el });
    host.replaceChildren(el);
  } catch (error) {
    el.remove();
    throw error;
  }
}

// Widgets to come, by host. What is near the screen is mounted at once; the rest follows one by one while the browser has
// nothing else to do, so that a page answers before its last widget lives.
const waiting = new Map();
// In a frame of another site the browser may never call itself idle; WebKit has no such call.
function whenIdle(work) {
  if (window.requestIdleCallback) requestIdleCallback(work, { timeout: 1000 });
  else setTimeout(work, 50);
}

function wake(host) {
  const render = waiting.get(host);
  waiting.delete(host);
  near.unobserve(host);
  mount(host, render);
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && waiting.has(target)) wake(target);
  },
  { rootMargin: "50%" },
);

function wakeNext() {
  const [host] = waiting.keys();
  if (!host) return;
  wake(host);
  whenIdle(wakeNext);
}

window.addEventListener("load", () => whenIdle(() => whenIdle(wakeNext)));

window.labkitMount = (kind, render) => {
  for (const host of document.querySelectorAll(`.labkit-host[data-module="${kind}"]`)) {
    waiting.set(host, render);
    near.observe(host);
  }
};
})();
