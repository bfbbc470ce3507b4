// What our programs share: texts go in by textContent alone, and a widget takes the place of its own static HTML.

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function put(parent, ...nodes) {
  parent.append(...nodes.filter((node) => node !== null));
  return parent;
}

function button(text, act, name = "") {
  const node = make("button", `pk-button ${name}`, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

// No key reaches the notebook, where letters make and delete cells; Tab moves on as everywhere.
function ownKeys(root, act) {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => {
    if (event.key === "Tab" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    act(event);
  });
  for (const kind of ["keyup", "keypress"]) root.addEventListener(kind, (event) => event.stopPropagation());
}

// What tells that the kernel went, or came back.
const LIFE = ["comm_live_update", "comm:close", "destroy"];

// Where the page makes a model without being shown a view, the widget takes the place of its own static HTML; that
// comes back when the kernel is gone, and is all that the notebook keeps.
function inPlace(show, question) {
  return ({ model }) => {
    const mounted = new Map();
    const name = model.get("slot");
    let waiting = false;
    let isGone = false;
    const unmount = (slot) => {
      const { view, el, still } = mounted.get(slot);
      view.dispose();
      el.remove();
      if (still) still.hidden = false;
      mounted.delete(slot);
    };
    const scan = () => {
      waiting = false;
      for (const slot of mounted.keys()) if (!slot.isConnected) unmount(slot);
      if (isGone) return;
      for (const slot of document.getElementsByClassName(name)) {
        if (mounted.has(slot)) continue;
        const el = make("div");
        const still = slot.querySelector(".pk-static");
        // Until the kernel answers, the static form stands.
        el.hidden = true;
        slot.append(el);
        mounted.set(slot, { view: show(model, el), el, still });
      }
    };
    const watch = new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      setTimeout(scan, 30);
    });
    // The kernel went, or came back: the static form stands until the kernel answers.
    const changed = () => {
      isGone = true;
      for (const slot of [...mounted.keys()]) unmount(slot);
      try {
        model.send(question);
      } catch {
        // There is nobody to ask.
      }
    };
    const heard = () => {
      if (isGone) {
        isGone = false;
        scan();
      }
      for (const { el, still } of mounted.values()) {
        el.hidden = false;
        if (still) still.hidden = true;
      }
    };
    for (const event of LIFE) model.on(event, changed);
    model.on("msg:custom", heard);
    watch.observe(document.body, { childList: true, subtree: true });
    scan();
    return () => {
      watch.disconnect();
      for (const event of LIFE) model.off(event, changed);
      model.off("msg:custom", heard);
      for (const slot of [...mounted.keys()]) unmount(slot);
    };
  };
}
