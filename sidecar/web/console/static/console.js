// What pages do better with a script; all of them work without it.
"use strict";

// "/" goes to the search, as in many tools.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.querySelector("[data-slash]")?.focus();
  }
});

// The overview can load itself anew; it says so, and waits while the page is hidden.
for (const button of document.querySelectorAll("[data-refresh]")) {
  let timer = null;
  button.hidden = false;
  const load = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      const old = document.querySelector("[data-live]");
      if (fresh && old && !old.contains(document.activeElement)) old.replaceWith(fresh);
      const time = page.querySelector(".head time");
      if (time) document.querySelector(".head time")?.replaceWith(time);
    } catch {
      stop();
      document.getElementById("announce").textContent = "Could not refresh; load the page again.";
    }
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.setAttribute("aria-pressed", "false");
  };
  button.addEventListener("click", () => {
    if (timer) {
      stop();
      return;
    }
    timer = setInterval(load, Number(button.dataset.refresh) * 1000);
    button.setAttribute("aria-pressed", "true");
    document.getElementById("announce").textContent = "The overview refreshes every " + button.dataset.refresh + " seconds.";
    load();
  });
}

// A form is sent once, however often somebody clicks.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
