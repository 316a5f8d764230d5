// Renders a widget into a page that has no kernel: a model that only remembers, in place of the one in Jupyter.

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

let style;

function styled() {
  style ??= new Promise((done) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL("style.css", import.meta.url).href;
    link.onload = link.onerror = done;
    document.head.append(link);
  });
  return style;
}

// The state that labkit.widgets.base has packed into the page.
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

// Replaces the picture or text inside `host` by the living widget; if that fails, they stay.
export async function mount(host) {
  const packed = host.querySelector('script[type="text/plain"]').textContent;
  const loaded = [unpacked(packed), import(`./${host.dataset.module}.js`), styled()];
  const [state, { default: widget }] = await Promise.all(loaded);
  const el = document.createElement("div");
  host.append(el);
  try {
    await widget.render({ model: new StaticModel(state), el });
    host.replaceChildren(el);
  } catch (error) {
    el.remove();
    throw error;
  }
}
