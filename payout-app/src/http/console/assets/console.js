"use strict";
// The console works without this file. With it, times are in the reader's zone, rows change where they stand, and keys
// lead places.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Times: the reader's own zone, UTC on hover.
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const localize = (within) => all("time[datetime]", within).forEach((time) => {
    if (time.dataset.local) return;
    const at = new Date(time.getAttribute("datetime"));
    if (!Number.isNaN(at.getTime())) time.textContent = format.format(at);
    time.dataset.local = "1";
  });
  localize(document);
  document.body.addEventListener("htmx:load", (event) => localize(event.target));

  // What was done is told once, and not again after a reload.
  const shownOnce = new URL(location.href);
  if (shownOnce.searchParams.has("done")) {
    shownOnce.searchParams.delete("done");
    history.replaceState(null, "", shownOnce);
  }

  // A choice that needs no button.
  all("[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.submit()));

  // The second click on a button sends nothing.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if (event.target.method === "post") event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => delete form.dataset.sent));

  // A file can be dropped on its form.
  all("[data-drop]").forEach((drop) => {
    const input = drop.querySelector("input[type=file]");
    ["dragover", "dragenter"].forEach((name) => drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    }));
    ["dragleave", "drop"].forEach((name) => drop.addEventListener(name, () => drop.classList.remove("over")));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  });

  // Live rows: the stream names payouts that changed, and the page asks for those that it shows.
  const tables = all("table[data-live]");
  const page = document.querySelector("[data-live-page]");
  const waiting = new Set();
  let timer = 0;
  const shown = (id) => document.getElementById("payout-" + id);
  const refresh = () => {
    timer = 0;
    if (!waiting.size || !window.htmx) return;
    const ids = [...waiting].slice(0, 50);
    ids.forEach((id) => waiting.delete(id));
    const columns = tables[0].dataset.columns;
    fetch("/console/payouts/rows/?" + ids.map((id) => "id=" + id).join("&") + columns, { headers: { "HX-Request": "true" } })
      .then((answer) => answer.ok ? answer.text() : "")
      .then((text) => {
        const rows = new DOMParser().parseFromString(text, "text/html").querySelectorAll("tr[data-payout]");
        rows.forEach((row) => {
          const before = shown(row.dataset.payout);
          if (!before || before.dataset.version === row.dataset.version) return;
          const focused = before.contains(document.activeElement);
          window.htmx.swap(before, row.outerHTML, { swapStyle: "outerHTML" });
          const after = shown(row.dataset.payout);
          if (!after) return;
          localize(after);
          after.classList.add("changed");
          if (focused) after.querySelector("a").focus();
        });
        if (waiting.size) later();
      })
      .catch(() => {});
  };
  const later = () => { if (!timer) timer = setTimeout(refresh, 200); };
  const reload = () => {
    const field = document.activeElement;
    if (field && page.contains(field) && /^(INPUT|TEXTAREA|SELECT)$/.test(field.tagName)) {
      if (document.getElementById("stale")) return;
      const notice = document.createElement("p");
      notice.id = "stale";
      notice.className = "notice warn";
      notice.setAttribute("role", "status");
      notice.textContent = "This payout has changed. Reload the page before you go on.";
      page.prepend(notice);
      return;
    }
    const open = all("details[open] > summary", page).map((summary) => summary.textContent);
    fetch(location.pathname, { headers: { "HX-Request": "true" } })
      .then((answer) => answer.ok ? answer.text() : "")
      .then((text) => {
        const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-live-page]");
        if (!fresh) return;
        page.innerHTML = fresh.innerHTML;
        localize(page);
        all("details > summary", page).forEach((summary) => {
          if (open.includes(summary.textContent)) summary.parentElement.open = true;
        });
      })
      .catch(() => {});
  };
  if ((tables.length || page) && window.EventSource) {
    const stream = new EventSource("/console/live/");
    let opened = false;
    stream.onopen = () => {
      // What happened between two connections is looked for once.
      if (opened) all("tr[data-payout]").forEach((row) => waiting.add(row.dataset.payout));
      opened = true;
      if (waiting.size) later();
    };
    stream.onmessage = (event) => {
      const ids = event.data.split(" ");
      if (page && ids.includes(page.dataset.livePage)) reload();
      ids.filter(shown).forEach((id) => waiting.add(id));
      if (waiting.size && tables.length) later();
    };
    window.addEventListener("pagehide", () => stream.close());
  }

  // Keys.
  let leader = false;
  let here = -1;
  const go = (step) => {
    const rows = all("tr[data-payout]");
    if (!rows.length) return;
    rows.forEach((row) => row.classList.remove("here"));
    here = Math.min(Math.max(here + step, 0), rows.length - 1);
    rows[here].classList.add("here");
    rows[here].scrollIntoView({ block: "nearest" });
    rows[here].querySelector("a").focus({ preventScroll: true });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (leader) {
      leader = false;
      const entry = document.querySelector('.menu a[data-key="' + CSS.escape(event.key) + '"]');
      if (entry) { event.preventDefault(); entry.click(); }
      return;
    }
    if (event.key === "g") leader = true;
    else if (event.key === "?") document.querySelector("[data-shortcuts]").click();
    else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); } else location.href = "/console/payouts/";
    }
    else if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
  });
})();
