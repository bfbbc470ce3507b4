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

// No key reaches the notebook, where letters make and delete cells; Tab moves on as everywhere, and what is pressed with
// Ctrl is the notebook's, which saves and runs cells by it.
const SUPPRESS = "data-lm-suppress-shortcuts";
const isOwn = (event) => event.key !== "Tab" && !event.ctrlKey && !event.metaKey && !event.altKey;
const isRun = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest(".pk-runs");

// Notebook 7 takes keys before they come down to any widget, but for those pressed where this mark is.
if (!window.pkKeys) {
  window.pkKeys = true;
  const mark = (event) => {
    if (event.target.closest?.(".pk-own-keys")) event.target.toggleAttribute(SUPPRESS, isOwn(event) || !!isRun(event));
  };
  window.addEventListener("keydown", mark, true);
}

function ownKeys(root, act) {
  root.classList.add("pk-own-keys");
  root.addEventListener("keydown", (event) => {
    if (!isOwn(event)) return;
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
    // What the kernel answered before there was a place for it.
    let early = null;
    const unmount = (slot) => {
      const { view, el, still } = mounted.get(slot);
      view.dispose();
      el.remove();
      if (still) still.hidden = false;
      mounted.delete(slot);
    };
    const scan = () => {
      for (const slot of mounted.keys()) if (!slot.isConnected) unmount(slot);
      if (isGone) return;
      for (const slot of document.getElementsByClassName(name)) {
        if (mounted.has(slot)) continue;
        const el = make("div");
        const still = slot.querySelector(".pk-static");
        // Until the kernel answers, or the view says that it can be seen, the static form stands.
        el.hidden = true;
        slot.append(el);
        const open = () => {
          el.hidden = false;
          if (still) still.hidden = true;
        };
        if (early) open();
        mounted.set(slot, { view: show(model, el, open, early), el, still, open });
        early = null;
      }
    };
    // Before the page is painted, so that a static form whose widget has its answer is never seen; where it is not
    // painted, soon.
    const watch = new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(scan);
      setTimeout(() => {
        waiting = false;
        scan();
      }, 30);
    });
    // The kernel went, or came back: the static form stands until the kernel answers.
    const changed = () => {
      isGone = true;
      early = null;
      for (const slot of [...mounted.keys()]) unmount(slot);
      try {
        model.send(question);
      } catch {
        // There is nobody to ask.
      }
    };
    const heard = (content) => {
      if (!mounted.size && content[question.ask] && !content.to) early = content;
      if (isGone) {
        isGone = false;
        scan();
      }
      for (const { open } of mounted.values()) open();
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
