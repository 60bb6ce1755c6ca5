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

  const PIECE = 256 * 1024;

  function token() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Sends a file and returns its digest; throws what the manager says.
  async function upload(file, told) {
    const name = token();
    let offset = 0;
    for (let failures = 0; failures < 5;) {
      told(file.size ? Math.floor((100 * offset) / file.size) : 0);
      const query = new URLSearchParams({ upload: name, offset, size: file.size });
      let answer;
      try {
        answer = await fetch(`/api/v1/jobs/files?${query}`, { method: "POST", body: file.slice(offset, offset + PIECE) });
      } catch (error) {
        failures += 1;
        if (failures === 5) throw error;
        await new Promise((done) => { setTimeout(done, 500 * failures); });
        continue;
      }
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.hint ? `${said.error} (${said.hint})` : said.error);
      if (said.digest) return said.digest;
      failures = said.have > offset ? 0 : failures + 1;
      offset = said.have;
    }
    throw new Error(file.name);
  }

  // Puts a ticked box for each file that was chosen in front of the chooser; tells whether it could.
  async function handIn(place, chosen) {
    const note = place.querySelector(".note");
    for (const file of [...chosen.files]) {
      try {
        const digest = await upload(file, (done) => { note.textContent = `${file.name} ${place.dataset.busy} ${done} %`; });
        const label = document.createElement("label");
        const box = document.createElement("input");
        const numbers = [...place.querySelectorAll("[type=checkbox]")].map((one) => Number(one.name.split(".")[1]));
        Object.assign(box, { type: "checkbox", checked: true, value: `${digest}+x:${file.name}` });
        box.name = `${place.dataset.files}.${Math.max(0, ...numbers) + 1}`;
        label.append(box, ` ${file.name}`);
        chosen.before(label);
      } catch (error) {
        note.textContent = `${file.name} ${place.dataset.failed} ${error.message}`;
        chosen.focus();
        return false;
      }
    }
    note.textContent = "";
    chosen.value = "";
    return true;
  }

  if (form) {
    form.addEventListener("change", fit);
    // Files are handed in first, in pieces; then the form names them.
    const files = form.querySelector("[data-files]");
    let handed = false;
    if (files) files.querySelector("input[type=file]").disabled = false;
    form.addEventListener("submit", async (event) => {
      const chosen = files?.querySelector("input[type=file]");
      if (handed || !chosen?.files.length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const button = event.submitter;
      if (button) button.disabled = true;
      handed = await handIn(files, chosen);
      if (button) button.disabled = false;
      if (handed) form.requestSubmit(button);
      handed = false;
    });
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
