// The tab Label: the next pairs are here before they are needed, so that a key shows one at once.
//
// A pair is an id and two texts; the decision goes to votes.js, which keeps it until it is on the disk.
(() => {
  const AHEAD = 5; // pairs asked for at a time
  const FEW = 3; // with fewer left, more are asked for
  const AGAIN = 2_000; // milliseconds until an empty queue is looked at again
  const PAUSE = 60_000; // a longer time on one pair is a pause, and no part of the pace
  const LATEST = 20; // pairs in the pace
  const KEYS = {
    1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", t: "tie", b: "both_bad",
    s: "skip", e: "edit", d: "discard", u: "undo",
  };
  const VERDICTS = ["left", "right", "tie", "both_bad"];
  const byId = (id) => document.getElementById(id);
  const stage = () => byId("label-stage");
  const visible = (element) => Boolean(element && element.offsetParent !== null);
  const texts = () => JSON.parse(stage().dataset.texts);
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);

  const pageName = (() => {
    const name = () => crypto.randomUUID().replaceAll("-", "");
    try {
      sessionStorage.alignchatLabelPage ??= name();
      return sessionStorage.alignchatLabelPage;
    } catch {
      return name(); // no storage: a reload then waits for its own pairs
    }
  })();
  let [ahead, current, past, times, state] = [[], null, [], [], null];
  let [asking, shownAt, editing] = [false, 0, false];
  const decided = new Set();

  const ask = async (path, body) => {
    const headers = { "accept-language": document.documentElement.lang };
    if (body) headers["content-type"] = "application/json";
    const response = await fetch(`/label/${path}`, {
      method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  };
  const tell = (text) => (byId("label-message").textContent = text ?? "");
  const act = (path, item) => ask(path, { id: item.id, page: pageName });

  const showState = () => {
    if (!state) return;
    const said = texts();
    const later = state.later ? [filled(said.later, { n: state.later })] : [];
    byId("label-progress").textContent = [filled(said.progress, state), ...later].join(" · ");
    const pace = times.length ? times.reduce((sum, time) => sum + time, 0) / times.length / 1000 : null;
    const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
    byId("label-pace").textContent = pace === null ? "" : filled(said.pace, { seconds: number.format(pace) });
    const { alpha, items } = state.agreement;
    byId("label-agreement").textContent = alpha === null ? "" :
      filled(said.agreement, { alpha: new Intl.NumberFormat(document.documentElement.lang, {
        minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(alpha), n: items });
  };
  const show = () => {
    byId("label-pair").hidden = !current;
    byId("label-editor").hidden = !editing;
    for (const button of stage().querySelectorAll("[data-act=skip], [data-act=edit], [data-act=discard]")) {
      button.disabled = !current;
    }
    stage().querySelector("[data-act=undo]").disabled = !past.length;
    byId("label-stage").dataset.comparison = current?.id ?? "";
    if (!current) return;
    byId("label-prompt").innerHTML = current.prompt_html;
    byId("label-left").innerHTML = current.left_html;
    byId("label-right").innerHTML = current.right_html;
    scrollBy(0, Math.min(0, stage().getBoundingClientRect().top));
  };
  const next = () => {
    [current, editing, shownAt] = [ahead.shift() ?? null, false, performance.now()];
    show();
    showState();
    refill();
  };
  const refill = async () => {
    if (asking || ahead.length >= FEW || !visible(stage())) return;
    asking = true;
    try {
      const late = (window.alignchat?.unsaved() ?? []).map((vote) => vote.comparison_id).filter(Boolean);
      const have = [current?.id, ...ahead.map((item) => item.id), ...late].filter(Boolean).slice(0, 100);
      const query = new URLSearchParams([["page", pageName], ["count", AHEAD], ...have.map((id) => ["have", id])]);
      const answer = await ask(`next?${query}`);
      const known = new Set([current?.id, ...ahead.map((item) => item.id), ...decided]);
      ahead.push(...answer.items.filter((item) => !known.has(item.id)));
      if (!window.alignchat?.unsaved().length) state = answer.state;
      if (!current && ahead.length) {
        tell("");
        next();
      } else if (!current) {
        const said = texts();
        tell(state?.left ? said.all_away : state?.labelled ? filled(said.done, state) : said.empty);
      }
      showState();
    } catch (error) {
      if (!current) tell(error.message && !(error instanceof TypeError) ? error.message : texts().offline);
    }
    asking = false;
  };

  const decide = (verdict) => {
    const pair = current;
    window.alignchat.vote({ comparison_id: pair.id, verdict });
    decided.add(pair.id);
    past.push({ act: "vote", pair });
    const took = performance.now() - shownAt;
    if (took < PAUSE) times = [...times.slice(1 - LATEST), took];
    if (state) state = { ...state, labelled: state.labelled + 1, left: state.left - 1 };
    tell("");
    next();
  };
  const putOff = () => {
    const pair = current;
    past.push({ act: "skip", pair });
    act("later", pair).then(refill, (error) => tell(error.message));
    if (ahead.length) tell(texts().put_off);
    next();
  };
  const discard = () => {
    const pair = current;
    past.push({ act: "discard", pair });
    decided.add(pair.id);
    act("discard", pair).then(
      () => state && ((state = { ...state, left: state.left - 1 }), showState()),
      (error) => (decided.delete(pair.id), tell(error.message)),
    );
    tell(texts().discarded);
    next();
  };
  const undo = () => {
    const last = past.pop();
    if (!last) return tell(texts().nothing_undone);
    decided.delete(last.pair.id);
    if (last.act === "vote") {
      window.alignchat.vote({ comparison_id: last.pair.id, verdict: null });
      if (state) state = { ...state, labelled: state.labelled - 1, left: state.left + 1 };
    }
    if (last.act === "discard") act("restore", last.pair).catch((error) => tell(error.message));
    ahead = [last.pair, ...(current ? [current] : []), ...ahead.filter((item) => item.id !== last.pair.id)];
    tell(texts().undone);
    next();
  };

  const side = () => document.querySelector("input[name=label-edit-side]:checked")?.value ?? "left";
  const fillEditor = () => (byId("label-edit-text").value = current[side()]);
  const edit = () => {
    editing = true;
    byId("label-editor").hidden = false;
    document.querySelector("input[name=label-edit-side][value=left]").checked = true;
    fillEditor();
    byId("label-edit-text").focus();
  };
  const endEdit = (text) => {
    editing = false;
    byId("label-editor").hidden = true;
    stage().focus();
    tell(text);
  };
  const keep = () => {
    const text = byId("label-edit-text").value;
    if (!text.trim() || text === current[side()]) return endEdit("");
    window.alignchat.vote({ comparison_id: current.id, side: side(), text });
    endEdit(texts().edited);
  };

  const perform = (name) => {
    if (name === "undo") return undo();
    if (name === "edit_save") return keep();
    if (name === "edit_cancel") return endEdit("");
    if (!current || editing) return;
    if (VERDICTS.includes(name)) decide(name);
    else if (name === "skip") putOff();
    else if (name === "discard") discard();
    else if (name === "edit") edit();
  };
  // From the key or the click until the next pair is painted; the browser's own list of measures has them.
  const measured = (event, name) => {
    const start = event.timeStamp;
    perform(name);
    requestAnimationFrame(() => setTimeout(() => {
      performance.measure(`label-${name}`, { start, end: performance.now() });
    }));
  };

  document.addEventListener("keydown", (event) => {
    if (!visible(stage())) return;
    if (editing) {
      if (event.key === "Escape") endEdit("");
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep();
      return;
    }
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!name) return;
    event.preventDefault();
    measured(event, name);
  });
  document.addEventListener("click", (event) => {
    const name = event.target.closest?.("#label-stage button")?.dataset.act;
    if (name) measured(event, name);
    if (event.target.closest?.("#tab-label-button")) setTimeout(() => stage()?.focus({ preventScroll: true }), 50);
  });
  document.addEventListener("change", async (event) => {
    if (event.target.name === "label-edit-side") fillEditor();
    if (event.target.id !== "prepare-file" || !event.target.files.length) return;
    const box = document.querySelector("#prepare-list textarea");
    box.value = await event.target.files[0].text();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    event.target.value = "";
  });
  document.addEventListener("alignchat:votes", () => !current && visible(stage()) && refill());
  setInterval(() => visible(stage()) && !current && refill(), AGAIN);
  // The stage is laid out when the tab is first opened.
  new MutationObserver((_, observer) => {
    if (!visible(stage())) return;
    observer.disconnect();
    show();
    refill();
  }).observe(document.documentElement, { subtree: true, childList: true, attributes: true });
})();
