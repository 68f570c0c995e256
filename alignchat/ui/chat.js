// The tab Chat: where the cursor goes.
(() => {
  document.addEventListener("click", (event) => {
    const id = event.target.closest?.("button")?.id ?? "";
    const box = document.querySelector("#message textarea");
    if (id === "again" || id === "new-chat" || id === "send") box?.focus();
  });
})();
