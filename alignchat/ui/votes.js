// Votes: kept in this browser until the server has them on its disk, and sent again under the same id.
//
//   alignchat.vote({ completion_id, up, tags, comment })   a promise of { saved, counts }; rejects if refused
//   alignchat.unsaved()                                    the votes not saved yet, oldest first
//   document event "alignchat:votes"                       detail { unsaved, counts }, after each change
//
// They go one after another, so that a later vote on the same reply never arrives before an earlier one.
(() => {
  const PREFIX = "alignchat-vote-";
  const TIMEOUT = 15_000;
  const LONGEST_WAIT = 30_000;
  const LATE = 1_500; // a vote under way for longer is shown as not saved yet
  const waiting = new Map();
  let [sending, failures, reason, made] = [false, 0, "", 0];
  let newest = null; // the counts that came last with a vote
  let wake = () => {};

  const head = () => document.querySelector("header.head");
  const newId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  // A private window may have no storage: the vote then lives as long as the page.
  const stored = (act) => {
    try {
      return act(localStorage);
    } catch (error) {
      console.warn("This browser keeps nothing: votes that are not saved yet are lost with the page.", error);
      return null;
    }
  };
  const kept = (storage) => Object.keys(storage).filter((key) => key.startsWith(PREFIX)).sort();
  const pending = () => Array.from(waiting.values(), (entry) => entry.body);

  const show = () => {
    const place = document.getElementById("unsaved");
    if (!place) return;
    const now = Date.now();
    const late = Array.from(waiting.values()).filter((entry) => failures || now - entry.since > LATE);
    const said = late.length === 1 ? place.dataset.one : place.dataset.many.replace("{n}", late.length);
    const text = late.length ? [said, reason].filter(Boolean).join(" ") : place.dataset.refusal ?? "";
    if (place.textContent !== text) place.textContent = text;
  };
  // What the strip shows may have been read before the last vote, and come after its answer.
  const count = () => {
    const strip = document.querySelector("#strip ul");
    if (!strip || !newest || Number(strip.dataset.at) >= newest.at) return;
    strip.dataset.at = newest.at;
    for (const item of strip.querySelectorAll("li[data-one]")) {
      const number = newest[item.className];
      item.querySelector("b").textContent = number;
      item.querySelector("span").textContent = number === 1 ? item.dataset.one : item.dataset.many;
    }
  };
  new MutationObserver(count).observe(document.documentElement, { subtree: true, childList: true });

  const tell = (counts) => {
    if (counts && counts.at > (newest?.at ?? 0)) newest = counts;
    show();
    count();
    document.dispatchEvent(new CustomEvent("alignchat:votes", { detail: { unsaved: pending(), counts } }));
  };

  const post = async (body) => {
    try {
      const response = await fetch("/votes", {
        method: "POST",
        headers: { "content-type": "application/json", "accept-language": head()?.lang ?? "en" },
        body: JSON.stringify(body),
        keepalive: true,
        signal: AbortSignal.timeout(TIMEOUT),
      });
      return { status: response.status, ...(await response.json()) };
    } catch {
      return { status: 0 };
    }
  };
  const settle = (entry, answer) => {
    waiting.delete(entry.body.id);
    stored((storage) => storage.removeItem(entry.key));
    [failures, reason] = [0, ""];
    const place = document.getElementById("unsaved");
    if (answer.saved) delete place?.dataset.refusal;
    else if (place) place.dataset.refusal = place.dataset.refused.replace("{reason}", answer.error);
    tell(answer.counts);
    if (answer.saved) entry.resolve(answer);
    else entry.reject(new Error(answer.error));
  };
  const send = async () => {
    if (sending) return wake();
    sending = true;
    while (waiting.size) {
      const entry = waiting.values().next().value;
      const answer = await post(entry.body);
      if (answer.saved || (answer.status === 400 && answer.error)) {
        settle(entry, answer);
        continue;
      }
      [failures, reason] = [failures + 1, answer.error ?? ""];
      tell();
      const wait = Math.min(LONGEST_WAIT, 500 * 2 ** failures);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        wake = () => (clearTimeout(timer), resolve());
      });
      wake = () => {};
    }
    sending = false;
  };

  const keep = (key, body) =>
    new Promise((resolve, reject) => {
      waiting.set(body.id, { key, body, resolve, reject, since: Date.now() });
    });
  const vote = (given) => {
    const body = { id: newId(), ...given };
    if (body.comment) body.comment = body.comment.toWellFormed?.() ?? body.comment;
    const key = `${PREFIX}${Date.now()}-${String(made++).padStart(6, "0")}-${body.id}`;
    stored((storage) => storage.setItem(key, JSON.stringify(body)));
    const saved = keep(key, body);
    saved.catch(() => {}); // shown above the tabs in any case
    setTimeout(show, LATE + 50);
    tell();
    send();
    return saved;
  };
  window.alignchat = { ...window.alignchat, vote, unsaved: pending };

  for (const key of stored(kept) ?? []) {
    keep(key, JSON.parse(localStorage.getItem(key))).catch(() => {});
  }
  const again = () => {
    failures = 0; // What failed before says nothing now, and a try under way may still fail.
    send();
  };
  for (const event of ["online", "focus"]) addEventListener(event, again);
  send();
})();
