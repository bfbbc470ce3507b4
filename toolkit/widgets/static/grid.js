// The grid of answers. Whatever a model wrote is put in by textContent alone; pages come from the kernel as they are seen.

const SHOW = [["all", "All"], ["failures", "Failures"], ["different", "Different"], ["regressions", "Regressions"]];
const ORDER = [["case", "as planned"], ["difference", "most different"]];
const MODES = [["diff", "Diff"], ["side", "Side by side"], ["stacked", "Stacked"]];
const EXPORTS = [["csv", "CSV"], ["excel", "Excel"], ["jsonl", "JSONL"], ["markdown", "Markdown"]];
const KEYS = [
  ["↑ ↓ or j k", "case before, after"],
  ["← → or h l", "arm before, after"],
  ["Page Up, Page Down or p n", "page before, after"],
  ["Home, End", "first, last column"],
  ["Enter", "open or close a cell: whole answer, messages, raw response"],
  ["d", "marks on or off"],
  ["/", "find"],
  ["e", "next failure on this page"],
  ["c", "copy the answer"],
  ["o", "open the answer's trace"],
  ["f", "star or unstar"],
  ["1 to 5", "rate the answer"],
  ["?", "these keys"],
  ["Esc", "close, or leave the grid"],
];
const SEARCH_MS = 300;
let views = 0;

function choice(label, pairs, value, act) {
  const select = make("select", "pk-select");
  const box = put(make("label", "pk-field"), make("span", "", label), select);
  const fill = (options, chosen) => {
    const said = JSON.stringify(options);
    if (select.dataset.said !== said) {
      select.replaceChildren(...options.map(([key, words]) => Object.assign(make("option", "", words), { value: key })));
      select.dataset.said = said;
    }
    select.value = chosen;
  };
  select.addEventListener("change", () => act(select.value));
  fill(pairs, value);
  return { box, fill };
}

async function toClipboard(text, root) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      return await navigator.clipboard.writeText(text);
    } catch {
      // Not allowed here: the old way is left.
    }
  }
  const area = Object.assign(make("textarea", "pk-copy"), { value: text });
  area.setAttribute("aria-label", "text to copy");
  root.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not allow it");
}

function save(name, content) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function traceLink(address) {
  const link = make("a", "pk-trace", "trace");
  if (!/^https?:\/\//i.test(address)) return link;
  // JupyterLab writes a rel of its own into links of an output, without noreferrer.
  link.referrerPolicy = "no-referrer";
  return Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
}

class Grid {
  constructor(model, el, early) {
    this.model = model;
    this.id = `v${Date.now()}-${++views}`;
    this.asked = 0;
    this.at = { row: 0, column: 1 };
    this.wantsFocus = false;
    this.open = null;
    this.isStacked = false;
    this.isMarked = true;
    this.page = null;
    this.root = el;
    this.build();
    this.listen = (content, buffers) => this.hear(content, buffers);
    model.on("msg:custom", this.listen);
    if (early) this.hear(early);
    else this.ask({});
  }

  dispose() {
    clearTimeout(this.timer);
    this.model.off("msg:custom", this.listen);
  }

  build() {
    const root = this.root;
    root.classList.add("pk-grid", "tex2jax_ignore", "mathjax_ignore");
    root.tabIndex = -1;
    this.baseline = choice("Baseline", [], "0", (value) => this.ask({ baseline: Number(value), page: 0 }));
    this.score = choice("Score", [], "", (value) => this.ask({ score: Number(value), page: 0 }));
    this.show = choice("Show", SHOW, "all", (value) => this.ask({ show: value, page: 0 }));
    this.order = choice("Order", ORDER, "case", (value) => this.ask({ order: value, page: 0 }));
    this.find = make("input", "pk-find");
    this.find.type = "search";
    this.find.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask({ find: this.find.value, page: 0 }), SEARCH_MS);
    });
    this.count = make("span", "pk-count");
    this.modes = put(make("div", "pk-modes"));
    this.modes.setAttribute("role", "group");
    this.modes.setAttribute("aria-label", "Layout");
    for (const [key, words] of MODES) {
      const one = button(words, () => this.setMode(key === "stacked", key === "stacked" ? this.isMarked : key === "diff"), "pk-mode");
      one.dataset.mode = key;
      this.modes.append(one);
    }
    const find = put(make("label", "pk-field"), make("span", "", "Find"), this.find);
    const bar = put(make("div", "pk-bar"), this.modes, this.baseline.box, this.score.box, this.show.box);
    put(bar, this.order.box, find, this.count);
    this.table = make("table", "pk-table");
    this.table.setAttribute("role", "grid");
    this.table.setAttribute("aria-label", "Answers by case and arm");
    this.table.setAttribute("aria-keyshortcuts", "j k h l p n Enter d / e c o f 1 2 3 4 5 ?");
    this.before = button("‹ Previous", () => this.turn(-1));
    this.after = button("Next ›", () => this.turn(1));
    this.range = make("span", "pk-range");
    this.help = make("button", "pk-button", "Keys");
    this.help.type = "button";
    this.help.addEventListener("click", () => this.toggleHelp());
    const files = put(make("div", "pk-files"));
    for (const [kind, words] of EXPORTS) files.append(button(words, () => this.send({ ask: "export", kind })));
    files.append(button("Copy", () => this.send({ ask: "copy" })));
    files.setAttribute("role", "group");
    files.setAttribute("aria-label", "Export the run; Copy takes this page");
    const pager = put(make("div", "pk-pager"), this.before, this.range, this.after, this.help);
    this.keys = make("dl", "pk-keys");
    this.keys.hidden = true;
    for (const [key, words] of KEYS) put(this.keys, make("dt", "", key), make("dd", "", words));
    this.said = make("div", "pk-said");
    this.said.setAttribute("role", "status");
    this.said.setAttribute("aria-live", "polite");
    const scroll = put(make("div", "pk-scroll"), this.table);
    put(root, bar, scroll, put(make("div", "pk-foot"), pager, files), this.keys, this.said);
    ownKeys(root, (event) => this.key(event));
    this.setMode(false, true);
  }

  send(content) {
    this.model.send({ ...content, to: this.id });
  }

  ask(query) {
    this.root.setAttribute("aria-busy", "true");
    this.send({ ask: "page", query, number: ++this.asked });
  }

  hear(content, buffers) {
    if (content.to && content.to !== this.id) return;
    if (content.page && !(content.number < this.asked)) this.draw(content.page);
    if (content.cell) this.drawCell(content.cell);
    if (content.trace) this.openTrace(content.trace);
    if (content.file && buffers && buffers.length) save(content.file, buffers[0]);
    if (content.copy !== undefined) this.copy(content.copy, "The page is copied.");
    if (content.said) this.say(content.said, content.failed);
  }

  say(words, failed = false) {
    this.said.textContent = words;
    this.said.classList.toggle("pk-failed", failed);
    if (failed) this.root.removeAttribute("aria-busy");
  }

  copy(text, words) {
    const back = document.activeElement;
    toClipboard(text, this.root)
      .then(() => this.say(words), (error) => this.say(`Not copied: ${error.message}.`, true))
      .finally(() => back && back.isConnected && back.focus());
  }

  setMode(isStacked, isMarked) {
    this.isStacked = isStacked;
    this.isMarked = isMarked;
    this.root.classList.toggle("pk-stacked", isStacked);
    this.root.classList.toggle("pk-plain", !isMarked);
    const mode = isStacked ? "stacked" : isMarked ? "diff" : "side";
    for (const one of this.modes.children) one.setAttribute("aria-pressed", String(one.dataset.mode === mode));
  }

  draw(page) {
    const had = this.table.contains(document.activeElement) || this.wantsFocus;
    this.wantsFocus = false;
    this.page = page;
    this.open = null;
    this.opening = null;
    const { query } = page;
    this.baseline.fill(page.arms.map((arm, place) => [String(place), arm.label]), String(query.baseline));
    this.score.fill(page.scores.map((label, place) => [String(place), label]), String(query.score));
    this.score.box.hidden = page.scores.length < 2;
    this.show.fill(SHOW, query.show);
    this.order.fill(ORDER, query.order);
    if (document.activeElement !== this.find) this.find.value = query.find;
    const noun = page.noun + (page.total === 1 ? "" : "s");
    const { matching, total, first } = page;
    this.count.textContent = matching === total ? `${total.toLocaleString()} ${noun}` : `${matching.toLocaleString()} of ${total.toLocaleString()} ${noun}`;
    const last = first + page.rows.length;
    this.range.textContent = matching ? `${(first + 1).toLocaleString()}–${last.toLocaleString()} of ${matching.toLocaleString()}` : "none";
    this.before.disabled = query.page === 0;
    this.after.disabled = query.page >= page.pages - 1;
    this.table.setAttribute("aria-rowcount", String(matching + 1));
    this.table.setAttribute("aria-colcount", String(page.arms.length + 1));
    this.table.style.setProperty("--pk-arms", page.arms.length);
    this.table.replaceChildren(this.head(page), this.body(page));
    if (!matching) this.say(`No ${page.noun} fits: show All, or find something else.`);
    else if (!this.said.classList.contains("pk-failed") && this.said.textContent.startsWith("No ")) this.say("");
    this.at.row = Math.min(this.at.row, Math.max(0, page.rows.length - 1));
    this.at.column = Math.min(this.at.column, page.arms.length);
    this.move(this.at.row, this.at.column, had);
    this.root.removeAttribute("aria-busy");
  }

  head(page) {
    const row = make("tr");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", "1");
    const cells = [make("th", "pk-head pk-case", page.noun)];
    for (const arm of page.arms) {
      const name = put(make("div", "pk-label"), make("span", "", arm.label));
      if (arm.baseline) name.append(make("span", "pk-base", "baseline"));
      cells.push(put(make("th", "pk-head"), name, make("div", "pk-words", arm.words)));
    }
    cells.forEach((cell, place) => {
      cell.setAttribute("role", "columnheader");
      cell.setAttribute("aria-colindex", String(place + 1));
      cell.scope = "col";
    });
    const head = put(make("thead"), put(row, ...cells));
    head.setAttribute("role", "rowgroup");
    return head;
  }

  body(page) {
    const body = make("tbody");
    body.setAttribute("role", "rowgroup");
    this.cells = page.rows.map((row, place) => {
      const line = make("tr", "pk-row");
      line.setAttribute("role", "row");
      line.setAttribute("aria-rowindex", String(page.first + place + 2));
      const cells = [this.caseCell(row), ...row.cells.map((cell, arm) => this.cell(cell, page, row, arm))];
      cells.forEach((cell, column) => {
        cell.setAttribute("role", column ? "gridcell" : "rowheader");
        cell.setAttribute("aria-colindex", String(column + 1));
        cell.tabIndex = -1;
        cell.addEventListener("focus", () => this.mark(place, column));
        cell.addEventListener("mousedown", () => this.mark(place, column));
        cell.addEventListener("dblclick", () => this.toggle(place, column));
      });
      body.append(put(line, ...cells));
      return cells;
    });
    return body;
  }

  caseCell(row) {
    const cell = put(make("th", "pk-cell pk-case"), make("div", "pk-number", row.number));
    cell.scope = "row";
    for (const [name, value] of row.variables) {
      cell.append(put(make("div", "pk-variable"), make("span", "pk-name", `${name} `), make("bdi", "", value)));
    }
    if (row.expected !== null) {
      cell.append(put(make("div", "pk-variable"), make("span", "pk-name", "expected "), make("bdi", "", row.expected)));
    }
    return cell;
  }

  cell(cell, page, row, arm) {
    const node = make("td", "pk-cell");
    const inside = put(make("div", "pk-inside"), make("div", "pk-arm", page.arms[arm].label));
    if (cell.status === "ok") inside.append(this.answer(cell, row.cells[page.query.baseline].text));
    else {
      node.classList.add(["none", "unsent"].includes(cell.status) ? "pk-none" : "pk-error");
      put(inside, make("div", "pk-status", cell.words), make("div", "pk-answer", cell.message || ""));
    }
    const chips = make("div", "pk-chips");
    if (cell.star) chips.append(make("span", "pk-chip pk-star", "★ starred"));
    if (cell.same) chips.append(make("span", "pk-chip pk-faint", "same text"));
    for (const [text, tone, meaning] of cell.chips) {
      chips.append(Object.assign(make("span", `pk-chip ${tone ? "pk-" + tone : ""}`, text), { title: page.meanings[meaning] }));
    }
    // Tab goes past the table's cells, and past what is in them.
    if (cell.trace) chips.append(Object.assign(traceLink(cell.trace), { tabIndex: -1 }));
    return put(node, put(inside, chips));
  }

  answer(cell, base) {
    const text = make("div", "pk-answer");
    text.dir = "auto";
    if (cell.steps) {
      // Characters as Python counts them, which are whole ones.
      const letters = Array.from(base);
      let place = 0;
      for (const step of cell.steps) {
        if (typeof step === "string") text.append(make("ins", "", step));
        else {
          const words = letters.slice(place, (place += Math.abs(step))).join("");
          text.append(step < 0 ? make("del", "", words) : words);
        }
      }
    } else text.textContent = cell.text;
    if (cell.more) text.append(make("span", "pk-more", ` … ${cell.more.toLocaleString()} more characters: Enter`));
    return text;
  }

  mark(row, column) {
    const old = this.cells?.[this.at.row]?.[this.at.column];
    if (old) old.tabIndex = -1;
    this.at = { row, column };
    const cell = this.cells?.[row]?.[column];
    if (cell) cell.tabIndex = 0;
  }

  move(row, column, focus = true) {
    if (!this.cells?.length) return;
    row = Math.min(Math.max(row, 0), this.cells.length - 1);
    column = Math.min(Math.max(column, 0), this.page.arms.length);
    this.mark(row, column);
    const cell = this.cells[row][column];
    if (focus) {
      cell.focus({ preventScroll: true });
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  turn(by, focus = false) {
    const page = this.page.query.page + by;
    if (page < 0 || page >= this.page.pages) return;
    this.at.row = by > 0 ? 0 : this.at.row;
    this.wantsFocus = focus;
    this.ask({ page });
    this.table.parentElement.scrollTop = 0;
  }

  named(extra) {
    const row = this.page.rows[this.at.row];
    if (!row || this.at.column === 0 || row.cells[this.at.column - 1].status === "none") return null;
    return { case: row.case, repeat: row.repeat, arm: this.at.column - 1, ...extra };
  }

  toggle(row, column) {
    this.mark(row, column);
    if (this.open) {
      const same = this.open.row === row && this.open.column === column;
      this.close();
      if (same) return;
    }
    const wanted = this.named({ ask: "cell" });
    if (!wanted) return;
    this.opening = { row, column };
    this.send(wanted);
  }

  close() {
    if (!this.open) return;
    const { row, column, line } = this.open;
    line.remove();
    this.cells[row][column].removeAttribute("aria-expanded");
    this.open = null;
    this.move(row, column);
  }

  drawCell(cell) {
    if (this.copying) {
      this.copying = false;
      return this.copy(cell.answer, "The answer is copied.");
    }
    if (!this.opening || !this.cells[this.opening.row]) return;
    const { row, column } = this.opening;
    const section = (title, text) => {
      const body = make("div", "pk-pre", text);
      body.dir = "auto";
      return [make("div", "pk-title", title), body];
    };
    const label = this.page.arms[column - 1].label;
    const top = put(make("div", "pk-open-top"), make("strong", "", `${this.page.noun} ${this.page.rows[row].number} · ${label}`));
    const { trace } = this.page.rows[row].cells[column - 1];
    if (trace) put(top, traceLink(trace));
    put(top, button("Close (Esc)", () => this.close()));
    const box = put(make("div", "pk-open"), top, ...section(cell.answered ? "Answer" : "No answer", cell.answer));
    for (const reason of cell.reasons) put(box, ...section(`Why ${reason.name}`, reason.text));
    for (const message of cell.messages) put(box, ...section(`Sent: ${message.role}`, message.text));
    for (const [title, text] of [["Request", cell.about], ["Raw response", cell.raw]]) {
      if (text) put(box, put(make("details"), make("summary", "pk-title", title), make("div", "pk-pre pk-mono", text)));
    }
    const wide = put(make("td", "pk-wide"), box);
    wide.colSpan = this.page.arms.length + 1;
    wide.setAttribute("role", "gridcell");
    const line = put(make("tr", "pk-open-row"), wide);
    line.setAttribute("role", "row");
    const owner = this.cells[row][column];
    owner.parentElement.after(line);
    owner.setAttribute("aria-expanded", "true");
    box.style.width = `${this.table.parentElement.clientWidth - 34}px`;
    this.open = { row, column, line };
    this.opening = null;
    line.scrollIntoView({ block: "nearest" });
    this.say(`Opened ${this.page.noun} ${this.page.rows[row].number}, ${label}.`);
  }

  toggleHelp() {
    this.keys.hidden = !this.keys.hidden;
    this.help.setAttribute("aria-expanded", String(!this.keys.hidden));
  }

  leave() {
    const outside = this.root.parentElement?.closest("[tabindex]");
    document.activeElement?.blur();
    outside?.focus({ preventScroll: true });
  }

  nextFailure() {
    const width = this.page.arms.length;
    const from = this.at.row * width + this.at.column;
    for (let place = from; place < this.page.rows.length * width; place++) {
      const [row, arm] = [Math.floor(place / width), place % width];
      if (!["ok", "none"].includes(this.page.rows[row].cells[arm].status)) return this.move(row, arm + 1);
    }
    this.say("No further failure on this page; Show: Failures lists all.");
  }

  key(event) {
    const { key } = event;
    if (event.target === this.find) {
      if (key === "Enter") {
        clearTimeout(this.timer);
        this.wantsFocus = true;
        this.ask({ find: this.find.value, page: 0 });
      } else if (key === "Escape") {
        event.preventDefault();
        this.move(this.at.row, this.at.column);
      }
      return;
    }
    if (key === "Escape") {
      event.preventDefault();
      return this.open ? this.close() : this.leave();
    }
    // Keys of buttons, lists and opened text are their own.
    if (event.target.closest("select, button, summary, textarea, .pk-open a")) return;
    const act = this.action(key);
    if (!act || !this.page) return;
    event.preventDefault();
    act();
  }

  action(key) {
    const { row, column } = this.at;
    const by = (down, right) => () => this.move(row + down, column + right);
    const actions = {
      ArrowUp: by(-1, 0), k: by(-1, 0), ArrowDown: by(1, 0), j: by(1, 0),
      ArrowLeft: by(0, -1), h: by(0, -1), ArrowRight: by(0, 1), l: by(0, 1),
      Home: () => this.move(row, 0), End: () => this.move(row, this.page.arms.length),
      PageUp: () => this.turn(-1, true), p: () => this.turn(-1, true),
      PageDown: () => this.turn(1, true), n: () => this.turn(1, true),
      Enter: () => this.toggle(row, column),
      d: () => this.setMode(this.isStacked, !this.isMarked),
      "/": () => this.find.focus(),
      e: () => this.nextFailure(),
      c: () => this.asCell((wanted) => ((this.copying = true), this.send({ ...wanted, ask: "cell" }))),
      o: () => this.asCell((wanted) => {
        const { trace } = this.told();
        if (trace) this.openTrace(trace);
        else this.send({ ...wanted, ask: "trace" });
      }),
      f: () => this.asCell((wanted) => this.send({ ...wanted, ask: "mark", name: "star", value: this.told().star ? null : 1 })),
      "?": () => this.toggleHelp(),
    };
    if (/^[1-5]$/.test(key)) {
      return () => this.asCell((wanted) => this.send({ ...wanted, ask: "mark", name: "human", value: Number(key) }));
    }
    return Object.hasOwn(actions, key) ? actions[key] : null;
  }

  openTrace(address) {
    traceLink(address).click();
    this.say("The trace is opened in a tab of its own.");
  }

  // What the kernel said of the selected answer.
  told() {
    return this.page.rows[this.at.row].cells[this.at.column - 1];
  }

  asCell(act) {
    const wanted = this.named({});
    if (wanted) act(wanted);
    else this.say("Choose an answer first: the arrow keys move.");
  }
}

function render({ model, el }) {
  const grid = new Grid(model, el);
  return () => grid.dispose();
}

export default { initialize: inPlace((model, el, open, early) => new Grid(model, el, early), { ask: "page", query: {} }), render };
