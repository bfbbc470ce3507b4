// Beside widgets of ipywidgets: keys that are pressed in them stay in them, and they take the place of their static HTML.

// Ctrl or Cmd with Enter presses Run, wherever in the form it is pressed.
function listen(root, model) {
  ownKeys(root, (event) => {
    if (event.key === "Escape") leave(root);
  });
  root.classList.toggle("pk-runs", model.get("runs"));
  // On the way down: fields let no key come up from them.
  const run = (event) => {
    if (!model.get("runs") || !isRun(event)) return;
    event.preventDefault();
    event.stopPropagation();
    // A number that is being typed is told to the kernel when its field is left.
    const field = document.activeElement;
    field?.blur();
    field?.focus();
    model.send({ ask: "run" });
  };
  root.addEventListener("keydown", run, true);
}

function leave(root) {
  const outside = root.parentElement?.closest("[tabindex]");
  document.activeElement?.blur();
  outside?.focus({ preventScroll: true });
}

class Standing {
  constructor(model, el, open) {
    this.model = model;
    this.el = el;
    // Where no view can be made, the static form stands.
    this.make(open).catch((error) => console.warn(error));
  }

  async make(open) {
    const manager = this.model.widget_manager;
    const view = await manager.create_view(await manager.get_model(this.model.get("of")));
    if (this.isGone) return view.remove();
    this.view = view;
    const widget = view.luminoWidget || view.pWidget;
    widget.constructor.attach(widget, this.el);
    open();
    this.model.send({ ask: "look" });
  }

  dispose() {
    this.isGone = true;
    if (!this.view) return;
    // A view can only be taken off a page, and its cell's output may be gone from it already.
    this.el.hidden = true;
    if (!this.el.isConnected) document.body.append(this.el);
    this.view.remove();
  }
}

function render({ model, el }) {
  el.hidden = true;
  const wait = () => (el.isConnected ? listen(el.parentElement, model) : requestAnimationFrame(wait));
  wait();
}

export default { initialize: inPlace((...all) => new Standing(...all), { ask: "look" }), render };
