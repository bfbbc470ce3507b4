// Two answers side by side, without names. The kernel sends two texts and counts, and knows alone whose they are.

const SAY = [
  ["left", "Left is better", "1 or ←"],
  ["tie", "Tie", "0"],
  ["right", "Right is better", "2 or →"],
  ["both_bad", "Both bad", "9"],
  ["skip", "Skip", "s"],
];
const VERDICTS = { 1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", 0: "tie", 9: "both_bad", s: "skip" };
const KEYS = [
  ["1 or ←", "the left answer is better"],
  ["2 or →", "the right answer is better"],
  ["0", "neither is better"],
  ["9", "both are bad; counts as a tie"],
  ["s", "skip; the pair comes again at the end"],
  ["u", "undo the last vote"],
  ["n", "write a note for this vote"],
  ["?", "these keys"],
  ["Esc", "out of the note, or leave"],
];
const RANKED = ["Arm", "Strength", "95 % interval", "Won", "Tied", "Lost"];

function table(name, head, rows) {
  const line = put(make("tr"), ...head.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const body = put(make("tbody"));
  for (const cells of rows) {
    const [first, ...others] = cells;
    const label = first instanceof Node ? first : make("span", "", first);
    const header = Object.assign(put(make("th", "pk-name"), label), { scope: "row" });
    put(body, put(make("tr"), header, ...others.map((each) => (each instanceof Node ? each : make("td", "", each)))));
  }
  return put(make("table", `pk-table ${name}`), put(make("thead"), line), body);
}

function wide(words, child) {
  const box = put(make("div", "pk-scroll"), child);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", words);
  return box;
}

class Vote {
  constructor(model, el) {
    this.model = model;
    this.root = el;
    this.turn = null;
    this.pair = null;
    this.isEnd = false;
    this.isSent = false;
    this.build();
    this.listen = (content) => this.hear(content);
    model.on("msg:custom", this.listen);
    model.send({ ask: "look" });
  }

  dispose() {
    this.model.off("msg:custom", this.listen);
  }

  build() {
    const { root } = this;
    root.classList.add("pk-vote", "tex2jax_ignore", "mathjax_ignore");
    this.body = make("div", "pk-body");
    this.body.tabIndex = -1;
    this.said = make("div", "pk-said");
    this.said.setAttribute("role", "status");
    this.said.setAttribute("aria-live", "polite");
    this.keys = make("dl", "pk-keys");
    this.keys.hidden = true;
    for (const [key, words] of KEYS) put(this.keys, make("dt", "", key), make("dd", "", words));
    put(root, this.body, this.keys, this.said);
    ownKeys(root, (event) => this.key(event));
  }

  hear(content) {
    if (content.turn === undefined) return;
    const isNew = content.turn !== this.turn;
    this.turn = content.turn;
    this.isSent = false;
    if (content.said) return this.say(content.said, content.failed);
    const hadFocus = this.root.contains(document.activeElement);
    if (content.pair) {
      if (!isNew && this.pair) return;
      this.pair = content.pair;
      this.isEnd = false;
      this.drawPair(content.pair);
    } else if (content.end) {
      this.pair = null;
      this.drawEnd(content.end);
    } else if (content.report) {
      this.pair = null;
      this.isEnd = false;
      this.drawReport(content.report);
    }
    this.say("");
    if (hadFocus) this.body.focus({ preventScroll: true });
  }

  say(words, failed = false) {
    this.said.textContent = words;
    this.said.classList.toggle("pk-failed", failed);
  }

  send(ask, more = {}) {
    // One answer to one pair: what is pressed before the next is there is nothing.
    if (this.isSent) return;
    this.isSent = true;
    this.model.send({ ask, turn: this.turn, ...more });
  }

  vote(verdict) {
    this.send("vote", { verdict, note: this.note.value });
  }

  drawPair(pair) {
    const place = Math.min(pair.done + 1, pair.all);
    const head = put(make("div", "pk-head"), make("strong", "pk-place", `Pair ${place.toLocaleString()} of ${pair.all.toLocaleString()}`));
    const told = [];
    if (pair.skipped) told.push(`${pair.skipped.toLocaleString()} skipped`);
    if (pair.same) told.push(`${pair.same.toLocaleString()} not shown: the same text, a tie`);
    put(head, make("span", "pk-told", told.join(" · ")));
    const bar = make("div", "pk-progress");
    const done = make("div", "pk-done");
    done.style.width = `${(100 * pair.done) / Math.max(1, pair.all)}%`;
    bar.setAttribute("aria-hidden", "true");
    put(bar, done);
    const asked = make("div", "pk-case");
    for (const [name, value] of pair.variables) {
      put(asked, put(make("div", "pk-variable"), make("span", "pk-name", `${name} `), make("bdi", "", value)));
    }
    asked.hidden = pair.variables.length === 0;
    const answers = make("div", "pk-answers");
    for (const [side, words, text] of [["left", "Left", pair.left], ["right", "Right", pair.right]]) {
      const answer = make("div", "pk-answer", text);
      answer.tabIndex = 0;
      answer.dir = "auto";
      answer.setAttribute("role", "region");
      answer.setAttribute("aria-label", `${words} answer`);
      put(answers, put(make("div", `pk-side pk-${side}`), make("div", "pk-title", words), answer));
    }
    const say = make("div", "pk-say");
    say.setAttribute("role", "group");
    say.setAttribute("aria-label", "Which answer is better?");
    for (const [verdict, words, key] of SAY) {
      const one = put(button("", () => this.vote(verdict), `pk-${verdict.replace("_", "-")}`), make("span", "", words), make("kbd", "", key));
      one.setAttribute("aria-keyshortcuts", key.replace(" or ←", "").replace(" or →", ""));
      put(say, one);
    }
    const hint = make("div", "pk-told pk-hint", "Click anywhere here to vote by keys.");
    this.note = make("input", "pk-note");
    this.note.type = "text";
    this.note.maxLength = 2000;
    this.note.placeholder = "note (n)";
    this.note.setAttribute("aria-label", "Note for this vote");
    const undo = put(button("", () => this.send("undo"), "pk-undo"), make("span", "", "Undo"), make("kbd", "", "u"));
    undo.disabled = !pair.can_undo;
    const finish = button("Finish", () => this.finish(finish), "pk-finish");
    const help = button("Keys", () => this.toggleHelp());
    this.help = help;
    help.setAttribute("aria-expanded", String(!this.keys.hidden));
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", `Blind vote, pair ${place} of ${pair.all}`);
    this.body.replaceChildren(head, bar, asked, answers, say, put(make("div", "pk-foot"), this.note, undo, help, finish), hint);
  }

  // Names cannot be forgotten again: the first press asks.
  finish(node) {
    if (node.dataset.asked) return this.send("finish");
    node.dataset.asked = "yes";
    node.textContent = "Show who is who";
    this.say("Press again to see the names. Pairs that are left can still be voted on, though no longer quite blind.");
  }

  // All is said, nobody is named yet: the last vote can still be taken back.
  drawEnd({ all }) {
    this.isEnd = true;
    const undo = put(button("", () => this.send("undo"), "pk-undo"), make("span", "", "Undo the last vote"), make("kbd", "", "u"));
    const show = button("Show who is who", () => this.send("finish"), "pk-finish");
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", "Blind vote, every pair is judged");
    this.body.replaceChildren(
      make("strong", "pk-place", `Every pair is judged: ${all.toLocaleString()} of ${all.toLocaleString()}`),
      make("p", "pk-line", "The names are not told yet. Once they are, votes can no longer be taken back."),
      put(make("div", "pk-foot"), show, undo),
    );
  }

  drawReport(report) {
    const [first, ...others] = report.sentences;
    const parts = [make("strong", "pk-place", "Finished: who was who"), make("p", "pk-line", first)];
    if (report.arms.length) {
      const rows = report.arms.map(({ words, ...span }) => {
        const [arm, strength, interval, ...counts] = words;
        return [arm, strength, put(make("td", "pk-between"), this.span(span), make("span", "", interval)), ...counts];
      });
      parts.push(wide("Ranking", table("pk-ranks", RANKED, rows)));
    }
    for (const line of others) parts.push(make("p", "pk-line", line));
    if (report.voters.length) {
      parts.push(wide("Voters", table("pk-voters", ["voter", ...report.voter_columns], report.voters)));
    }
    parts.push(make("p", "pk-told", "results.votes has these numbers and every vote."));
    if (report.has_more) parts.push(button("Go on voting", () => this.send("go_on"), "pk-go-on"));
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", "What the votes say");
    this.body.replaceChildren(...parts);
  }

  span({ at, from, to, zero }) {
    const track = make("span", "pk-track");
    track.setAttribute("aria-hidden", "true");
    const middle = make("span", "pk-zero");
    middle.style.left = `${zero}%`;
    put(track, middle);
    if (from !== null) {
      const reach = make("span", "pk-reach");
      reach.style.left = `${from}%`;
      reach.style.width = `${to - from}%`;
      put(track, reach);
    }
    const point = make("span", "pk-point");
    point.style.left = `${at}%`;
    return put(track, point);
  }

  toggleHelp() {
    this.keys.hidden = !this.keys.hidden;
    if (this.help) this.help.setAttribute("aria-expanded", String(!this.keys.hidden));
  }

  key(event) {
    const { key, target } = event;
    if (target === this.note) {
      if (key === "Enter" || key === "Escape") {
        event.preventDefault();
        this.body.focus({ preventScroll: true });
      }
      return;
    }
    if (key === "Escape") {
      event.preventDefault();
      return document.activeElement.blur();
    }
    // A button's own keys are its own, and a key that is held down votes once.
    if (event.repeat || (target.closest("button") && (key === "Enter" || key === " "))) return;
    if (key === "?") {
      event.preventDefault();
      return this.toggleHelp();
    }
    if (this.isEnd && key === "u") {
      event.preventDefault();
      return this.send("undo");
    }
    if (!this.pair) return;
    const acts = { u: () => this.pair.can_undo && this.send("undo"), n: () => this.note.focus() };
    const act = Object.hasOwn(VERDICTS, key) ? () => this.vote(VERDICTS[key]) : Object.hasOwn(acts, key) ? acts[key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function render({ model, el }) {
  const view = new Vote(model, el);
  return () => view.dispose();
}

export default { initialize: inPlace((model, el) => new Vote(model, el), { ask: "look" }), render };
