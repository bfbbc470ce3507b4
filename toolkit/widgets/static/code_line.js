// The code as text, and a button that copies it.
function copied(text, area) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Pages that are not served over https have no clipboard: the text is selected and copied by the old command.
  area.value = text;
  area.hidden = false;
  area.select();
  const done = document.execCommand("copy");
  area.hidden = done;
  return done ? Promise.resolve() : Promise.reject(new Error("select it and copy it by hand"));
}

function render({ model, el }) {
  el.classList.add("pk-code", "tex2jax_ignore", "mathjax_ignore");
  const make = (tag, name) => el.appendChild(Object.assign(document.createElement(tag), { className: name }));
  const label = make("span", "pk-code-label");
  const code = make("code", "pk-code-text");
  const button = make("button", "pk-code-copy");
  const status = make("span", "pk-code-status");
  const area = make("textarea", "pk-code-area");
  button.type = "button";
  area.hidden = true;
  area.setAttribute("aria-label", "code to copy");
  status.setAttribute("role", "status");
  const draw = () => {
    label.textContent = model.get("label");
    code.textContent = model.get("code");
    button.textContent = "Copy";
    status.textContent = "";
    el.hidden = !model.get("code");
  };
  button.addEventListener("click", () =>
    copied(model.get("code"), area).then(
      () => (status.textContent = "Copied."),
      (error) => (status.textContent = "Not copied: " + error.message),
    ),
  );
  // The notebook's own keys: a letter typed here must not make or delete a cell. Tab moves on.
  el.addEventListener("keydown", (event) => event.key !== "Tab" && event.stopPropagation());
  model.on("change:code", draw);
  model.on("change:label", draw);
  draw();
}

export default { render };
