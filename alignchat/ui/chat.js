// The tab Chat: a bar of actions under each reply, thumbs with reasons, editing, keys, drafts, import.
//
// The server puts a foot with an id and facts under each message; what is done to a reply goes back with that
// id: votes through alignchat.vote, everything else as an act written into a box that nobody sees.
(() => {
  const ICONS = {
    up: "M2 9h3v8H2zM5 10l4-8c1.5 0 2.2 1 1.9 2.4L10.2 8h5.6c1.4 0 2.1 1.1 1.8 2.3l-1.3 5.2c-.3 1-1 1.5-2 1.5H5",
    again: "M16 10a6 6 0 1 1-2-4.5M14.5 2v4h-4",
    edit: "M3 17l1-4 9.5-9.5 3 3L7 16z",
    copy: "M7 7h9v10H7zM4 13V3h9",
    earlier: "M12 4l-6 6 6 6",
    later: "M8 4l6 6-6 6",
    close: "M5 5l10 10M15 5L5 15",
  };
  const KEYS = {
    "+": "up", "=": "up", "-": "down", ArrowLeft: "earlier", ArrowRight: "later",
    r: "again", e: "edit", c: "copy", w: "why",
  };
  const DRAFT = "alignchat-draft";
  const LARGEST = 15_000_000; // bytes; the server takes little more
  const said = new Map(); // what this page has voted on each reply, which may be newer than the foot

  const one = (selector, within = document) => within.querySelector(selector);
  const every = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const given = (name) => JSON.parse(one("#chat-words")?.dataset[name] ?? "{}");
  let known = null;
  const words = () => (known ??= one("#chat-words") ? given("words") : null) ?? {};
  const reason = (tag) => words()[`reason_${tag}`] ?? tag;
  const replies = () => every("#chat .foot[id^=reply-]");
  // A message gets its foot when it is whole; the button Stop goes only after the page has heard of the end.
  const growing = () => every("#chat .message-row").length > every("#chat .foot[id]").length;
  const busy = () => Boolean(one("#stop")?.offsetParent) && growing();
  const footOf = (element) => element?.closest?.("#chat .foot[id]");
  const factsOf = (foot) => ({ ...foot.facts, ...said.get(foot.facts.id) });

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 20 20");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  };
  const button = (act, label, key, content = icon(act), more = {}) =>
    make("button", {
      type: "button", class: `act ${act}`, "data-act": act, "aria-label": label,
      title: key ? `${label} (${key})` : label, "aria-keyshortcuts": key, ...more,
    }, content);

  // What goes to the server.
  const write = (box, text) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const act = (message) => {
    if (!busy()) write(one("#chat-act :is(textarea, input)"), JSON.stringify({ ...message, at: Date.now() }));
  };
  const textOf = async (foot) => (await fetch(`/conversations/${foot.facts.id}/text`)).json();
  const vote = (foot, up, tags = [], comment = "") => {
    const { id } = foot.facts;
    const [before, now] = [said.get(id), { up, tags, comment, saving: true }];
    said.set(id, now);
    paint(foot);
    const settle = (state) => {
      if (said.get(id) === now) said.set(id, state);
      const shown = document.getElementById(foot.id);
      if (shown?.facts) paint(shown);
    };
    alignchat.vote({ completion_id: id, up, tags, comment }).then(
      () => settle({ up, tags, comment, saving: false }),
      () => settle(before ?? { up: foot.facts.up, tags: foot.facts.tags, comment: foot.facts.comment }),
    );
  };

  // The bar under a reply.
  const dress = (foot) => {
    foot.facts = JSON.parse(decodeURIComponent(foot.title));
    foot.removeAttribute("title");
    foot.tabIndex = -1;
    foot.setAttribute("role", "group");
    if (foot.id.startsWith("ask-")) {
      foot.setAttribute("aria-label", words().yours);
      foot.append(make("div", { class: "bar" }, button("ask", words().ask, "", icon("edit"))));
      return;
    }
    const { facts } = foot;
    foot.setAttribute("aria-label", words().actions.replace("{n}", replies().indexOf(foot) + 1));
    const bar = make("div", { class: "bar" });
    bar.append(
      button("up", words().good, "+"),
      button("down", words().bad, "-", icon("up")),
      make("button", { type: "button", class: "act said", "data-act": "why", "aria-keyshortcuts": "W" }),
    );
    if (facts.versions > 1) {
      const named = words().version.replace("{k}", facts.version).replace("{n}", facts.versions);
      bar.append(make("span", { class: "versions", role: "group", "aria-label": named },
        button("earlier", words().earlier, "←", icon("earlier"), { disabled: facts.earlier ? null : "" }),
        make("span", {}, `${facts.version}/${facts.versions}`),
        button("later", words().later, "→", icon("later"), { disabled: facts.later ? null : "" })));
    }
    bar.append(
      button("again", words().again, "R"), button("edit", words().edit, "E"), button("copy", words().copy, "C"),
      make("span", { class: "who", tabindex: "0", "aria-describedby": "chat-tip" }, facts.who),
    );
    foot.append(bar);
    if (facts.asking) foot.append(question(facts));
    paint(foot);
  };
  const paint = (foot) => {
    const facts = factsOf(foot);
    for (const [name, up] of [["up", true], ["down", false]]) {
      const thumb = one(`.act.${name}`, foot);
      thumb.setAttribute("aria-pressed", String(facts.up === up && !facts.saving));
      thumb.classList.toggle("saving", facts.up === up && Boolean(facts.saving));
    }
    const label = one(".act.said", foot);
    const parts = [facts.tags.map(reason).join(", "), facts.comment && `“${facts.comment}”`].filter(Boolean);
    label.textContent = parts.join(" · ") || words().why;
    label.title = `${label.textContent} (W)`;
    label.hidden = facts.up === null;
    label.setAttribute("aria-expanded", String(Boolean(one(".reasons", foot))));
    if (facts.up === null) one(".reasons", foot)?.remove();
    for (const chip of every(".reasons .chip", foot)) {
      chip.setAttribute("aria-pressed", String(facts.tags.includes(chip.dataset.tag)));
    }
  };
  const question = (facts) =>
    make("div", { class: "better", role: "group", "aria-label": words().better },
      make("span", {}, words().better),
      make("button", { type: "button", class: "chip", "data-act": "prefer", "data-id": facts.id }, words().better_yes),
      make("button", { type: "button", class: "chip", "data-act": "not-better" }, words().better_no));

  // Reasons: a row under the bar, there while it is asked for.
  const openReasons = (foot) => {
    for (const row of every("#chat .reasons")) closeReasons(footOf(row));
    const facts = factsOf(foot);
    const tags = [...new Set([...given("reasons")[String(facts.up)], ...facts.tags])];
    const comment = make("input", {
      type: "text", class: "comment", maxlength: 2000, placeholder: words().comment, "aria-label": words().comment,
    });
    comment.value = facts.comment;
    comment.addEventListener("change", () => {
      const now = factsOf(foot);
      if (now.up !== null && comment.value.trim() !== now.comment) vote(foot, now.up, now.tags, comment.value.trim());
    });
    foot.append(make("div", { class: "reasons", role: "group", "aria-label": words().why_label },
      ...tags.map((tag) =>
        make("button", { type: "button", class: "chip", "data-act": "reason", "data-tag": tag }, reason(tag))),
      comment, button("close", words().close, "Esc")));
    paint(foot);
    one(".reasons", foot).scrollIntoView({ block: "nearest" });
  };
  const closeReasons = (foot) => {
    one(".reasons", foot)?.remove();
    if (foot?.facts) paint(foot);
  };

  // Editing happens in the place of the text.
  const openEditor = async (foot, kind) => {
    if (one(".editor", foot)) return;
    const texts = await textOf(foot);
    const box = make("textarea", { class: "text", rows: 3, "aria-label": kind === "ask" ? words().yours : words().its });
    box.value = kind === "ask" ? texts.asked : texts.text;
    foot.append(make("div", { class: "editor", "data-kind": kind },
      box,
      make("button", { type: "button", class: "chip primary", "data-act": "save", title: "Ctrl+Enter" },
        kind === "ask" ? words().resend : words().save),
      make("button", { type: "button", class: "chip", "data-act": "cancel", title: "Esc" }, words().cancel)));
    foot.parentElement.classList.add("editing");
    box.style.height = `${Math.min(box.scrollHeight + 4, innerHeight / 2)}px`;
    box.focus();
  };
  const closeEditor = (foot, refocus = true) => {
    one(".editor", foot)?.remove();
    foot.parentElement.classList.remove("editing");
    if (refocus) foot.focus();
  };
  const saveEditor = (foot) => {
    const [kind, text] = [one(".editor", foot).dataset.kind, one(".editor .text", foot).value];
    if (!text.trim() || busy()) return;
    returnTo(foot);
    closeEditor(foot, false);
    act({ act: kind, id: foot.facts.id, text });
  };

  const copy = async (foot) => {
    await navigator.clipboard.writeText((await textOf(foot)).text);
    const pressed = one(".act.copy", foot);
    pressed.classList.add("done");
    tell(pressed, words().copied);
    setTimeout(() => (pressed.classList.remove("done"), hush()), 1500);
  };

  // One line about what is pointed at or focused, above everything, since a message is a box of its own.
  const tell = (element, text) => {
    let tip = one("#chat-tip");
    if (!tip) {
      tip = make("div", { id: "chat-tip", role: "tooltip", popover: "manual" });
      document.body.append(tip);
    }
    tip.textContent = text;
    tip.showPopover();
    const [at, size] = [element.getBoundingClientRect(), tip.getBoundingClientRect()];
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    tip.style.top = `${at.top > size.height + 8 ? at.top - size.height - 4 : at.bottom + 4}px`;
  };
  const hush = () => one("#chat-tip:popover-open")?.hidePopover();
  const tellFacts = (event) => {
    const who = event.target.closest?.("#chat .who");
    if (who) tell(who, footOf(who).facts.facts);
    else hush();
  };
  document.addEventListener("mouseover", tellFacts);
  document.addEventListener("focusin", tellFacts);

  // After the server has shown something else, the focus is where it was.
  let wanted = null;
  const returnTo = (foot, selector = null) => {
    wanted = { index: replies().findIndex((other) => other.facts.id === foot.facts.id), selector };
  };
  const refocus = () => {
    const foot = wanted && replies()[wanted.index];
    if (!foot || busy() || !foot.isConnected || document.activeElement !== document.body) return;
    const again = wanted.selector && one(wanted.selector, foot);
    (again && !again.disabled ? again : foot).focus();
    wanted = null;
  };

  const ACTS = {
    up: (foot) => thumb(foot, true),
    down: (foot) => thumb(foot, false),
    why: (foot) => (factsOf(foot).up === null ? null : one(".reasons", foot) ? closeReasons(foot) : openReasons(foot)),
    close: (foot) => (closeReasons(foot), foot.focus()),
    reason: (foot, pressed) => {
      const { up, tags, comment } = factsOf(foot);
      const { tag } = pressed.dataset;
      vote(foot, up, tags.includes(tag) ? tags.filter((other) => other !== tag) : [...tags, tag], comment);
    },
    earlier: (foot) => show(foot, "earlier"),
    later: (foot) => show(foot, "later"),
    again: (foot) => (returnTo(foot), act({ act: "again", id: foot.facts.id })),
    edit: (foot) => (busy() ? null : openEditor(foot, "edit")),
    ask: (foot) => (busy() ? null : openEditor(foot, "ask")),
    save: saveEditor,
    cancel: (foot) => closeEditor(foot),
    copy,
    prefer: (foot) => (returnTo(foot), act({ act: "prefer", id: foot.facts.id })),
    "not-better": (foot) => (one(".better", foot).remove(), foot.focus()),
  };
  const thumb = (foot, up) => {
    if (factsOf(foot).up === up) return vote(foot, null);
    vote(foot, up);
    openReasons(foot);
  };
  const show = (foot, which) => {
    if (!foot.facts[which]) return;
    returnTo(foot, `.act.${which}`);
    act({ act: "show", id: foot.facts[which] });
  };

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("button");
    const foot = footOf(pressed);
    if (foot && pressed.dataset.act) ACTS[pressed.dataset.act](foot, pressed);
    if (pressed?.id === "new-chat" || pressed?.id === "send") one("#message textarea")?.focus();
    if (pressed?.id === "conversation-import") choose();
  });

  const box = () => one("#message textarea");
  const leaveBox = (event) => {
    const last = replies().at(-1);
    if (event.key === "Escape" && busy()) one("#stop").click();
    else if (event.key === "ArrowUp" && !event.target.value && last) (event.preventDefault(), last.focus());
  };
  const inEditor = (event, foot) => {
    if (event.key === "Escape") closeEditor(foot);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) (event.preventDefault(), saveEditor(foot));
  };
  const inComment = (event, foot) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.target.blur(); // which saves what was written
    closeReasons(foot);
    foot.focus();
  };
  const onReply = (event, foot) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const feet = every("#chat .foot[id]");
    const next = feet[feet.indexOf(foot) + { ArrowUp: -1, ArrowDown: 1 }[event.key]];
    const name = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (event.key === "ArrowUp" || event.key === "ArrowDown") (next ?? (event.key === "ArrowDown" ? box() : foot)).focus();
    else if (event.key === "Escape") one(".reasons", foot) ? ACTS.close(foot) : box()?.focus();
    else if (name && foot.id.startsWith("reply-")) ACTS[name](foot);
    else if (name === "edit") ACTS.ask(foot);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", (event) => {
    const foot = footOf(event.target);
    if (event.key === "Escape") hush();
    if (event.target === box()) leaveBox(event);
    else if (event.target.matches?.(".editor .text")) inEditor(event, foot);
    else if (event.target.matches?.(".comment")) inComment(event, foot);
    else if (foot) onReply(event, foot);
  });

  // A conversation comes back as the file that it was saved as.
  const choose = () => {
    const input = make("input", { type: "file", accept: ".json,application/json", id: "conversation-file", hidden: "" });
    one("#conversation-file")?.remove();
    document.body.append(input);
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) act({ act: "import", text: file.size > LARGEST ? null : await file.text() });
      input.remove();
    });
    input.click();
  };

  // What is being written survives a reload; a private window may have no storage.
  const stored = (keep) => {
    try {
      return keep(localStorage);
    } catch {
      return null;
    }
  };
  let drafted = null;
  const draft = () => {
    if (!box()) return;
    if (drafted === null) {
      const kept = stored((storage) => storage.getItem(DRAFT));
      if (kept && !box().value) write(box(), kept);
    }
    if (box().value === drafted) return;
    drafted = box().value;
    stored((storage) => (drafted ? storage.setItem(DRAFT, drafted) : storage.removeItem(DRAFT)));
  };
  setInterval(draft, 400);
  addEventListener("pagehide", draft);

  new MutationObserver(() => {
    if (!one("#chat-words")) return;
    for (const foot of every("#chat .foot[id][title]")) dress(foot);
    // The component names each message by all of its source.
    for (const message of every("#chat [data-testid=bot], #chat [data-testid=user]")) {
      const name = message.dataset.testid === "bot" ? words().its : words().yours;
      if (message.getAttribute("aria-label") !== name) message.setAttribute("aria-label", name);
    }
    refocus();
  }).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["aria-label"] });
})();
