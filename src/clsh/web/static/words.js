// Numbers and times as the server writes them, and what the page says about itself.
"use strict";

const page = (() => {
  const body = document.body;
  const texts = JSON.parse(body.dataset.texts);
  return {
    // What the socket is told; nothing on pages that do not change by themselves.
    wish: JSON.parse(body.dataset.wish),
    // Whether it asks at its own pace, without the socket.
    polls: body.dataset.polls === "1",
    interval: Number(body.dataset.interval) || 15,
    start: Number(body.dataset.start),
    end: Number(body.dataset.end),
    // Whether the range ends now, and so moves on.
    follows: body.dataset.follows === "1",
    offset: Number(body.dataset.offset) || 0,
    say(name, values = {}) {
      return (texts[name] || name).replace(/\{(\w+)\}/g, (all, key) => String(values[key] ?? all));
    },
  };
})();

const words = (() => {
  const SIZES = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
  const BYTES = { b: "", bytes: "", "b/s": "/s", "bytes/s": "/s", "bytes/sec": "/s" };
  const RATES = ["packets/s", "packets/sec"];
  const COUNTS = ["cpus", "gpus", "processes", "procs"];

  const grouped = (value, digits) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

  function scaled(value, step, names, of) {
    let place = 0;
    for (let largest = Math.abs(of ?? value); largest >= step * 0.9995 && place < names.length - 1; place += 1) {
      largest /= step;
    }
    value /= step ** place;
    const whole = (place === 0 && of === undefined) || Math.abs(value) >= 100 || Number.isInteger(value);
    return [grouped(value, whole ? 0 : 1), names[place]];
  }

  function number(value) {
    if (Number.isInteger(value)) return grouped(value, 0);
    const size = Math.abs(value);
    if (size >= 10000) return grouped(value, 0);
    if (size >= 10) return grouped(value, 1);
    return size >= 0.01 ? value.toFixed(2) : value.toPrecision(2);
  }

  function quantity(value, units) {
    const kind = (units || "").trim().toLowerCase();
    if (value === null || value === undefined || !Number.isFinite(value)) return ["-", ""];
    if (kind in BYTES) {
      const [text, unit] = scaled(value, 1024, SIZES);
      return [text, unit + BYTES[kind]];
    }
    if (RATES.includes(kind)) return [number(value), "/s"];
    return [number(value), COUNTS.includes(kind) ? "" : (units || "").trim()];
  }

  // For an axis that goes up to `of`, in its unit.
  function short(value, units, of) {
    const kind = (units || "").trim().toLowerCase();
    if (value === 0) return "0";
    if (kind in BYTES) return scaled(value, 1024, SIZES, of).join(" ");
    if (Math.abs(of) >= 10000) return scaled(value, 1000, ["", "k", "M", "G", "T", "P", "E"], of).join("");
    return grouped(Number(value.toPrecision(4)), 0) === String(value)
      ? String(value)
      : value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
  }

  // The server's zone, so that a chart shows the same hours before and after it is redrawn.
  const local = (seconds) => new Date((seconds + page.offset) * 1000);
  const two = (value) => String(value).padStart(2, "0");

  function clock(seconds, step = 1) {
    const at = local(seconds);
    const day = `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
    const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    if (step >= 28 * 86400) return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}`;
    if (step >= 86400) return day;
    return step < 60 ? `${time}:${two(at.getUTCSeconds())}` : time;
  }

  return { number, quantity, short, clock, day: (seconds) => clock(seconds, 86400) };
})();
