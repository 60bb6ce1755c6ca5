// The form shows the fields of its kind of job, the page of a job what is written while it runs.
"use strict";

(() => {
  // ---- the form

  const form = document.getElementById("job");

  // What is not shown is not sent either: it may be left from another kind.
  function fit() {
    const kind = form.elements.kind.value;
    for (const line of form.querySelectorAll("[data-kinds]")) {
      const fits = line.dataset.kinds.split(" ").includes(kind);
      line.hidden = !fits;
      for (const control of line.querySelectorAll("input, select, textarea")) control.disabled = !fits;
    }
    for (const group of form.querySelectorAll("fieldset")) {
      group.hidden = !group.querySelector(".line:not([hidden])");
    }
  }

  if (form) {
    form.addEventListener("change", fit);
    // The key makes a second submission the same job; this spares its way.
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
    });
    addEventListener("pageshow", () => {
      for (const button of form.querySelectorAll("button")) button.disabled = false;
      fit();
    });
    form.querySelector("[aria-invalid]")?.focus();
  }

  // ---- what a task writes

  const MOST = 256 * 1024; // characters that stay on the page
  const LEAST = 64; // that must be the same for the new text to be the old one, gone on

  // Appends what is new, so that what is being read or marked stays where it is.
  function grow(pre, text) {
    const old = pre.textContent;
    if (old === text || (text && old.length > text.length && old.endsWith(text))) return;
    const end = old.slice(-4096);
    const at = text.startsWith(old) ? old.length - end.length : end.length < LEAST ? -1 : text.lastIndexOf(end);
    const more = text.slice(at + end.length);
    if (old && at >= 0 && old.length + more.length <= MOST) {
      pre.append(more);
      pre.normalize();
    } else {
      pre.textContent = text;
    }
  }

  const atEnd = (pre) => pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
  const toEnd = (pre) => { pre.scrollTop = pre.scrollHeight; };

  document.addEventListener("news", (event) => {
    for (const [name, [text, note]] of Object.entries(event.detail.texts || {})) {
      const pre = document.querySelector(`[data-tail="${name}"]`);
      const said = document.querySelector(`[data-note="${name}"]`);
      const follows = pre.hidden || atEnd(pre);
      // A node that does not answer now takes nothing away.
      if (text !== null) grow(pre, text);
      pre.hidden = !pre.textContent;
      said.textContent = note;
      said.hidden = !note;
      if (follows) toEnd(pre);
    }
  });
  for (const pre of document.querySelectorAll("[data-tail]")) toEnd(pre);
})();
