// Keeps an open page up to date, and sorts and filters without loading it anew.
"use strict";

(() => {
  const mark = document.getElementById("live");
  const holder = mark.parentElement;
  const pace = Number(document.body.dataset.pace) * 1000 || 1000;
  const patience = (3 * page.interval + 5) * 1000;
  const moves = page.polls || page.wish !== null;
  let socket = null;
  let retry = 1000;
  let fresh = Date.now();
  let busy = false;
  let again = false;
  let last = 0;
  let sparks = Date.now();
  let seen = null; // the version of what is shown, where the page says so
  let whole = 0;

  function show(state) {
    const text = state === "live" ? page.say("live") : page.say("stale", { time: words.clock(fresh / 1000) });
    if (mark.textContent !== text) mark.textContent = text;
    holder.dataset.state = state;
  }

  // Makes `old` like `wanted` and keeps what is the same: focus, ticks and open lists stay.
  function morph(old, wanted) {
    if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) {
      old.replaceWith(wanted);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== wanted.data) old.data = wanted.data;
      return;
    }
    for (const name of old.getAttributeNames()) {
      if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const name of wanted.getAttributeNames()) {
      const value = wanted.getAttribute(name);
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    morphChildren(old, wanted);
  }

  function morphChildren(old, wanted) {
    const keyed = new Map();
    for (const child of old.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
    let here = old.firstChild;
    for (const child of [...wanted.childNodes]) {
      const known = child.dataset?.key ? keyed.get(child.dataset.key) : null;
      if (known) {
        if (known !== here) old.insertBefore(known, here);
        else here = here.nextSibling;
        morph(known, child);
      } else if (here && !here.dataset?.key && !child.dataset?.key) {
        const next = here.nextSibling;
        morph(here, child);
        here = next;
      } else {
        old.insertBefore(child, here);
      }
    }
    while (here) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  }

  function renew(element, html) {
    const holder = element.cloneNode(false);
    holder.innerHTML = html; // made by the server's templates, which escape every value
    const focus = document.activeElement;
    morphChildren(element, holder);
    if (focus !== document.activeElement && focus?.isConnected) focus.focus({ preventScroll: true });
  }

  async function update() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    again = false;
    last = Date.now();
    try {
      const address = new URL(location.href);
      address.hash = "";
      address.searchParams.set("as", "parts");
      // Rounded, so that all who look at the same page ask the same question.
      const step = Math.max(1, page.interval);
      address.searchParams.set("since", Math.floor(charts.since() / step) * step - step);
      if (Date.now() - sparks > 60000) {
        address.searchParams.set("sparks", "1");
        sparks = Date.now();
      }
      // Now and then all of it: times go on though nothing happens.
      if (seen !== null && Date.now() - whole < 15000) address.searchParams.set("seen", seen);
      else whole = Date.now();
      const answer = await fetch(address, { cache: "no-cache" });
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.status !== 204) apply(await answer.json());
      fresh = Date.now();
      show("live");
    } catch {
      if (Date.now() - fresh > patience) show("stale");
    } finally {
      busy = false;
      if (again) soon();
    }
  }

  function apply(body) {
    for (const [id, html] of Object.entries(body.html)) {
      const element = document.getElementById(id);
      if (element) renew(element, html);
    }
    if (!heat.update(body.heat)) location.reload();
    charts.update(body);
    seen = body.seen ?? null;
    document.dispatchEvent(new CustomEvent("news", { detail: body }));
  }

  let waiting = 0;
  function soon() {
    if (waiting || !moves) return;
    waiting = setTimeout(() => {
      waiting = 0;
      if (document.visibilityState === "visible") update();
    }, Math.max(0, last + pace - Date.now()));
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/live`);
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify(page.wish));
    });
    socket.addEventListener("message", () => {
      retry = 1000;
      soon();
    });
    socket.addEventListener("close", () => {
      socket = null;
      setTimeout(connect, retry + Math.random() * 500);
      retry = Math.min(retry * 2, 30000);
    });
  }

  // Without the socket the page asks by itself; a tag makes that cheap when nothing is new.
  setInterval(() => {
    const open = socket?.readyState === WebSocket.OPEN;
    const quiet = Date.now() - last;
    if (!moves) return;
    if (page.polls ? quiet > pace : quiet > Math.max(pace, page.interval * 1000) && (!open || page.follows)) soon();
    if (Date.now() - fresh > patience) show("stale");
  }, 1000);

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") soon();
  });

  // ---- sorting, filtering, refreshing

  async function swap(address, id) {
    const answer = await fetch(address);
    const text = await answer.text();
    const wanted = new DOMParser().parseFromString(text, "text/html");
    const part = wanted.getElementById(id);
    if (!part) {
      location.assign(address);
      return;
    }
    const focus = document.activeElement;
    morph(document.getElementById(id), part);
    for (const name of ["header nav", ".ranges", "footer"]) {
      const old = document.querySelector(name);
      const other = wanted.querySelector(name);
      if (old && other) morph(old, other);
    }
    if (focus !== document.activeElement && focus?.isConnected) focus.focus({ preventScroll: true });
    history.replaceState(null, "", address);
  }

  function addressOf(form) {
    const address = new URL(form.action);
    address.search = "";
    for (const [name, value] of new FormData(form)) if (value) address.searchParams.append(name, value);
    return address;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      swap(link.href, link.dataset.swap);
    } else if (moves && event.target.closest("#refresh")) {
      event.preventDefault();
      update();
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.metric !== undefined) {
      event.preventDefault();
      const address = new URL(location.href);
      const parts = form.dataset.metric.split("/");
      parts[parts.length - 1] = encodeURIComponent(form.elements.metric.value);
      address.pathname = parts.join("/");
      location.assign(address);
    } else if (form.dataset.swap) {
      event.preventDefault();
      swap(addressOf(form), form.dataset.swap);
    }
  });

  let typing = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.dataset.swap) return;
    clearTimeout(typing);
    typing = setTimeout(() => form.requestSubmit(), 250);
  });

  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && (form.dataset.auto !== undefined || form.dataset.metric !== undefined)) form.requestSubmit();
  });

  document.documentElement.classList.add("js");
  if (moves) show("live");
  if (page.wish) connect();
})();
