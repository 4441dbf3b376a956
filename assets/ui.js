// What pages do beyond HTML: selection, keyboard, dialogs, type-ahead, live progress. Everything else works without.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const number = new Intl.NumberFormat("en");

  // Selection: words say what will happen before anybody presses a button.
  let everything = false;
  const picks = () => all('input[form="pick"][name="repository"]');
  function select() {
    const form = one("#pick");
    if (!form) return;
    const boxes = picks();
    const chosen = boxes.filter((box) => box.checked);
    const onAll = boxes.length > 0 && chosen.length === boxes.length;
    if (!onAll) everything = false;
    const head = one("#all-here");
    if (head) {
      head.checked = onAll;
      head.indeterminate = chosen.length > 0 && !onAll;
    }
    const flag = one('input[name="all"]', form);
    if (flag) flag.disabled = !everything;
    all("[data-wants-some]", form).forEach((button) => { button.disabled = chosen.length === 0; });
    const total = Number((form.dataset.total || "0").replaceAll(",", ""));
    const more = one("#all-match");
    if (more) more.hidden = !(onAll && !everything && total > boxes.length);
    const words = one("#words");
    if (!words.dataset.still) words.dataset.still = words.textContent;
    if (chosen.length === 0) {
      words.textContent = words.dataset.still;
      return;
    }
    if (form.dataset.verb) {
      words.textContent = `${number.format(chosen.length)} ${form.dataset.verb}.`;
      return;
    }
    const sums = { register: 0, merge: 0, conflict: 0, none: 0 };
    if (everything) Object.keys(sums).forEach((key) => { sums[key] = Number(form.dataset[key] || 0); });
    else chosen.forEach((box) => { sums[box.closest("tr").dataset.action] += 1; });
    const told = [];
    if (sums.register) told.push(`register ${number.format(sums.register)}`);
    if (sums.merge) told.push(`merge ${number.format(sums.merge)}`);
    if (sums.conflict) told.push(`leave ${number.format(sums.conflict)} conflict${sums.conflict === 1 ? "" : "s"}`);
    if (sums.none) told.push(`leave ${number.format(sums.none)} without a match`);
    const text = told.join(", ");
    words.textContent = `${everything ? `All ${number.format(total)} that match: ` : ""}${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  }
  document.addEventListener("change", (event) => {
    if (event.target.id === "all-here") picks().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.id === "all-here" || event.target.form?.id === "pick") select();
  });

  // Explanations open in place; their text is fetched once.
  function explain(button) {
    const detail = document.getElementById(button.getAttribute("aria-controls"));
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    button.closest("tr").classList.toggle("open", !isOpen);
    if (isOpen) {
      detail.classList.remove("filled");
    } else if (one("td", detail).childElementCount > 0) {
      detail.classList.add("filled");
    } else {
      htmx.trigger(button, "fill");
    }
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    const row = target.closest?.("tr.detail");
    if (row) row.classList.add("filled");
    if (target.id === "dialog") target.showModal();
    if (target.id === "notices") target.scrollIntoView({ block: "nearest" });
    if (target.id === "found" || one("#found", target)) {
      everything = false;
      current = -1;
    }
    select();
  });
  // Whose session has ended is led to the login page as a whole.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const place = event.detail.xhr.responseURL;
    if (place && new URL(place).pathname.endsWith("/login")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  // An address without fields that say nothing.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    const values = event.detail.formData;
    for (const [name, value] of [...values.entries()]) if (value === "") values.delete(name);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (!event.detail.successful || form.getAttribute?.("role") !== "search") return;
    const path = event.detail.pathInfo?.finalRequestPath || event.detail.pathInfo?.responsePath;
    if (path) history.replaceState(null, "", path);
  });

  // Type-ahead over the catalog.
  function options(input) { return all('[role="option"][data-value]', document.getElementById(input.getAttribute("aria-controls"))); }
  function close(input) {
    document.getElementById(input.getAttribute("aria-controls")).replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function mark(input, option) {
    options(input).forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    const list = event.detail.target;
    if (list.getAttribute?.("role") !== "listbox") return;
    const input = one(`[aria-controls="${list.id}"]`);
    input.setAttribute("aria-expanded", String(list.childElementCount > 0));
  });
  document.addEventListener("keydown", (event) => {
    const input = event.target;
    if (input.getAttribute?.("role") !== "combobox") return;
    const found = options(input);
    const at = found.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (found.length === 0) return;
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark(input, found[(at + step + found.length) % found.length]);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      input.value = found[at].dataset.value;
      close(input);
    } else if (event.key === "Escape" && found.length > 0) {
      event.stopPropagation();
      close(input);
    }
  });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest?.('[role="option"][data-value]');
    if (option) {
      event.preventDefault();
      const input = one(`[aria-controls="${option.parentElement.id}"]`);
      input.value = option.dataset.value;
      close(input);
      return;
    }
    all('[role="combobox"][aria-expanded="true"]').forEach((input) => { if (input !== event.target) close(input); });
  });

  // Rows by keyboard.
  let current = -1;
  const rows = () => all("table[data-keys] tr.row");
  function go(step) {
    const found = rows();
    if (found.length === 0) return;
    found[current]?.classList.remove("current");
    current = Math.max(0, Math.min(found.length - 1, current + step));
    const row = found[current];
    row.classList.add("current");
    row.scrollIntoView({ block: "nearest" });
    (one("td a", row) || row).focus({ preventScroll: true });
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (one("dialog[open]")) return;
    const typing = event.target.closest?.('input:not([type="checkbox"]), select, textarea');
    if (typing) {
      if (event.key === "Escape") {
        // A search field would be emptied by it.
        event.preventDefault();
        event.target.blur();
      }
      return;
    }
    const row = rows()[current];
    const act = {
      "/": () => one("#q")?.focus(),
      j: () => go(1),
      k: () => go(-1),
      x: () => row && one('input[name="repository"]', row)?.click(),
      e: () => { const why = row && one("[data-why]", row); if (why) explain(why); },
      i: () => { const preview = one("#preview"); if (preview && !preview.disabled) preview.click(); },
      "?": () => one("#keys")?.showModal(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  all("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
  document.addEventListener("click", (event) => {
    const copy = event.target.closest?.("[data-copy]");
    if (copy) {
      const text = all("span", one(copy.dataset.copy)).map((line) => line.textContent).join("\n");
      navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; });
      return;
    }
    const why = event.target.closest?.("[data-why]");
    if (why) return explain(why);
    if (event.target.id === "all-match") {
      everything = true;
      return select();
    }
    const closer = event.target.closest?.("[data-close]");
    if (closer && closer.closest("dialog")) {
      event.preventDefault();
      closer.closest("dialog").close();
    }
    if (event.target.tagName === "DIALOG") event.target.close();
  });

  // Live progress of a sync. When it has ended, the page is made anew.
  const watched = one("[data-events]");
  if (watched) {
    const stages = JSON.parse(watched.dataset.stages);
    let stage = "";
    const events = new EventSource(watched.dataset.events);
    const end = () => {
      events.close();
      location.reload();
    };
    events.addEventListener("progress", (event) => {
      const told = JSON.parse(event.data);
      const bar = one("#progress");
      if (stage !== told.stage) htmx.ajax("GET", location.pathname, { target: "#so-far", select: "#so-far", swap: "outerHTML" });
      stage = told.stage;
      one("#stage").textContent = stages[told.stage] || stages.other;
      one("#told").textContent = told.total === null ? number.format(told.done) : `${number.format(told.done)} of ${number.format(told.total)}`;
      if (told.total) {
        bar.max = told.total;
        bar.value = told.done;
      } else {
        bar.removeAttribute("value");
      }
    });
    events.addEventListener("ended", end);
    events.addEventListener("failed", end);
    addEventListener("pagehide", () => events.close());
  }

  // On a phone the tabs are longer than the window.
  one(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

  select();
})();
