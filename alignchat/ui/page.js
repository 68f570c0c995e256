// What all tabs share: the page's language, and code without the joiners that keep HTML out of Markdown.
//
// The tabs cannot be used before the server has filled them, or what is typed by then would be replaced.
(() => {
  const PATIENCE = 15_000; // milliseconds; then they can, so that a server in trouble can say so
  const opened = performance.now();
  const JOINER = /\u2060/g;

  const wait = () => {
    const tabs = document.querySelector("#tabs");
    const filled = document.querySelector("#strip li") || performance.now() - opened >= PATIENCE;
    if (tabs && tabs.inert === Boolean(filled)) tabs.inert = !filled;
  };
  setTimeout(wait, PATIENCE);

  const clean = (code) => {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      if (text.data.includes("\u2060")) text.data = text.data.replace(JOINER, "");
    }
  };
  new MutationObserver(() => {
    const head = document.querySelector("header.head");
    if (head && document.documentElement.lang !== head.lang) document.documentElement.lang = head.lang;
    wait();
    if (document.querySelector("#reload .now")) location.reload(); // Another model is open now.
    for (const code of document.querySelectorAll(".prose code")) clean(code);
    for (const button of document.querySelectorAll("button.calendar:not([aria-label])"))
      button.ariaLabel = button.closest(".block").querySelector("[data-testid=block-info]").innerText;
  }).observe(document.documentElement, { subtree: true, childList: true });

  document.addEventListener("click", async (event) => {
    if (event.target.id !== "sign-out") return;
    await fetch("/logout", {
      method: "POST", redirect: "manual", headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    location.assign("/login");
  });

  // What is selected and copied outside code has none of them either.
  document.addEventListener("copy", (event) => {
    const selected = String(getSelection());
    if (!selected.includes("\u2060")) return;
    event.clipboardData.setData("text/plain", selected.replace(JOINER, ""));
    event.preventDefault();
  });
})();
