// Turns the drawn charts into ones that can be read at a point and dragged over.
"use strict";

const charts = (() => {
  const ROUND = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10];
  const STEPS = [
    5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
    604800, 1209600, 2678400, 5356800, 8035200, 16070400,
  ];
  const HEIGHT = 96 / 340;
  const drawn = new Map(); // key -> {figure, plot, data}
  let wanted = null; // the one request for all charts of the page
  let span = [page.start, page.end];

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function roundUp(value, base) {
    if (value <= 0) return 1;
    const unit = base === 1000 ? 1 : base ** Math.max(0, Math.floor(Math.log(value) / Math.log(base)));
    const scaled = value / unit;
    const decade = 10 ** Math.floor(Math.log10(scaled));
    return ROUND.find((step) => scaled <= step * decade * 1.0005) * decade * unit;
  }

  function ends(data) {
    let low = 0;
    let high = data.capacity ?? 0;
    for (const curve of data.curves) {
      for (const value of curve.length > 1 ? curve[1].concat(curve[2]) : curve[0]) {
        if (value === null) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    const top = data.top && high <= data.top * 1.0005 ? data.top : high > 0 || low === 0 ? roundUp(high, data.base) : 0;
    return [low < 0 ? -roundUp(-low, data.base) : 0, top];
  }

  function timeTicks(from, to, most) {
    const step = STEPS.find((one) => (to - from) / one <= most) || STEPS.at(-1);
    const ticks = [];
    if (step >= 2678400) {
      const months = Math.round(step / 2678400);
      const first = new Date((from + page.offset) * 1000);
      for (let month = first.getUTCMonth() + 1; ; month += months) {
        const at = Date.UTC(first.getUTCFullYear(), month, 1) / 1000 - page.offset;
        if (at > to) break;
        ticks.push(at);
      }
      return [ticks, step];
    }
    for (let at = Math.ceil((from + page.offset) / step) * step - page.offset; at <= to; at += step) ticks.push(at);
    return [ticks, step];
  }

  // The middle of each step, and the values; with capacity as a line of its own.
  function columns(data) {
    const count = data.curves[0][0].length;
    const times = Array.from({ length: count }, (_, place) => data.start + (place + 0.5) * data.step);
    return [times, ...data.curves.flat()];
  }

  function series(data) {
    const lines = [{}];
    const bands = [];
    data.curves.forEach((curve, place) => {
      const colour = style(`--c${place % 8}`);
      const alone = place === 0 && data.curves.length <= 2;
      lines.push({
        stroke: colour,
        width: 1.4,
        dash: place % 2 && data.curves.length > 2 ? [5, 3] : undefined,
        fill: alone ? style("--area") : undefined,
        points: { show: false },
        spanGaps: false,
      });
      if (curve.length > 1) {
        const at = lines.length;
        lines.push({ stroke: "transparent", points: { show: false } });
        lines.push({ stroke: "transparent", points: { show: false } });
        bands.push({ series: [at + 1, at], fill: style(`--band${place % 8}`) });
      }
    });
    return [lines, bands];
  }

  function readout(entry, place) {
    const { data, figure } = entry;
    const now = figure.querySelector(".now b");
    const unit = figure.querySelector(".now small span");
    const note = figure.querySelector(".at") || figure.querySelector("figcaption").appendChild(document.createElement("span"));
    note.className = "at";
    if (place === null || place === undefined) {
      now.textContent = data.now;
      unit.textContent = data.unit;
      note.textContent = "";
      return;
    }
    const written = data.curves.map((curve) => words.quantity(curve[0][place], data.units));
    const units = new Set(written.map((pair) => pair[1]).filter(Boolean));
    now.textContent = written.map((pair) => (units.size > 1 ? pair.join(" ") : pair[0])).join(", ");
    unit.textContent = units.size === 1 ? [...units][0] : "";
    const at = data.start + (place + 0.5) * data.step;
    const day = span[1] - span[0] > 86400 ? `${words.day(at)} ` : "";
    note.textContent = day + words.clock(at, data.step < 60 ? 1 : 60);
  }

  function options(entry, width) {
    const { data } = entry;
    const [lines, bands] = series(data);
    const grid = style("--grid");
    const font = `11px ${style("--sans")}`;
    const text = style("--dim");
    const height = Math.max(90, Math.min(160, Math.round(width * HEIGHT)));
    return {
      width,
      height,
      legend: { show: false },
      padding: [6, 0, 0, 0],
      cursor: {
        y: false,
        points: { size: 5 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: "time", setSeries: false },
      },
      series: lines,
      bands,
      scales: {
        x: { time: false, range: () => span },
        y: { range: () => ends(entry.data) },
      },
      axes: [
        {
          stroke: text, font, size: 18, gap: 3,
          grid: { show: false }, ticks: { show: false },
          splits: (plot) => {
            const [ticks, step] = timeTicks(span[0], span[1], Math.max(2, Math.min(5, Math.floor(plot.width / 64))));
            entry.step = step;
            // A word at the very end would be cut, or stand on the numbers.
            const edge = (18 / Math.max(1, plot.bbox.width / devicePixelRatio)) * (span[1] - span[0]);
            return ticks.filter((at) => at - span[0] > edge && span[1] - at > edge);
          },
          values: (_, ticks) => ticks.map((at) => words.clock(at, entry.step)),
        },
        {
          side: 1, stroke: text, font, size: 46, gap: 5,
          grid: { stroke: grid, width: 1 }, ticks: { show: false },
          splits: (_, axis, low, high) => [low, (low + high) / 2, high],
          values: (_, ticks) => ticks.map((value) => words.short(value, entry.data.units, Math.max(...ticks))),
        },
      ],
      hooks: {
        setCursor: [(plot) => readout(entry, plot.cursor.left >= 0 ? plot.cursor.idx : null)],
        setSelect: [(plot) => chosen(plot)],
        draw: [(plot) => capacity(plot, entry.data)],
      },
    };
  }

  function capacity(plot, data) {
    if (data.capacity === null || data.capacity === undefined) return;
    const y = plot.valToPos(data.capacity, "y", true);
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = style("--line2");
    ctx.lineWidth = 1.2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  function chosen(plot) {
    if (plot.select.width < 5) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    const middle = (from + to) / 2;
    const half = Math.max(to - from, 60) / 2;
    const address = new URL(location.href);
    address.searchParams.delete("range");
    address.searchParams.set("start", Math.round(middle - half));
    address.searchParams.set("end", Math.round(middle + half));
    location.assign(address);
  }

  function load() {
    if (!wanted) {
      const address = new URL(location.href);
      address.searchParams.set("as", "data");
      address.hash = "";
      wanted = fetch(address).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)));
      wanted.catch(() => { wanted = null; });
    }
    return wanted;
  }

  async function show(figure) {
    const key = figure.dataset.chart;
    if (drawn.has(key)) return;
    let all;
    try {
      all = await load();
    } catch {
      return; // the drawn chart stays
    }
    if (drawn.has(key) || !all.charts[key]) return;
    span = [all.end - (page.end - page.start), all.end];
    const entry = { figure, data: all.charts[key], holder: figure.querySelector(".plot") };
    drawn.set(key, entry);
    build(entry);
    resizes.observe(entry.holder);
  }

  function build(entry) {
    const width = entry.holder.clientWidth;
    if (!width) return;
    entry.plot?.destroy();
    const label = entry.figure.querySelector("svg")?.getAttribute("aria-label") || entry.label || "";
    entry.label = label;
    const inside = document.createElement("div");
    inside.setAttribute("role", "img");
    inside.setAttribute("aria-label", label);
    entry.holder.replaceChildren(inside);
    entry.width = width;
    entry.plot = new uPlot(options(entry, width), columns(entry.data), inside);
  }

  const resizes = new ResizeObserver((changes) => {
    for (const change of changes) {
      const entry = [...drawn.values()].find((one) => one.holder === change.target);
      if (entry?.plot && Math.abs(entry.width - change.target.clientWidth) > 1) {
        requestAnimationFrame(() => build(entry));
      }
    }
  });

  const sights = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) { sights.unobserve(one.target); show(one.target); }
  }, { rootMargin: "100px" });

  // The newest moment that is drawn; what comes after it is asked for.
  function since() {
    let newest = 0;
    for (const { data } of drawn.values()) {
      newest = Math.max(newest, data.start + data.curves[0][0].length * data.step);
    }
    return newest || page.end;
  }

  function append(data, news, from) {
    const step = data.step;
    const keep = Math.max(0, Math.round((news.start - data.start) / step));
    const skip = Math.max(0, Math.floor((from - data.start) / step));
    if (news.step !== step || keep > data.curves[0][0].length + 1) return false;
    data.curves = data.curves.map((curve, place) =>
      curve.map((values, which) => values.slice(skip, keep).concat(news.curves[place]?.[which] ?? [])));
    data.start += skip * step;
    return Object.assign(data, { now: news.now, unit: news.unit, capacity: news.capacity });
  }

  function update(body) {
    if (!page.follows) return;
    span = [body.end - (page.end - page.start), body.end];
    for (const [key, entry] of drawn) {
      const news = body.charts[key];
      if (!news || !news.curves[0]) continue;
      if (!append(entry.data, news, span[0])) {
        wanted = null; // other steps than before: all of it anew
        drawn.delete(key);
        resizes.unobserve(entry.holder);
        show(entry.figure);
        continue;
      }
      const held = entry.plot && entry.plot.cursor.left >= 0;
      entry.plot?.setData(columns(entry.data));
      if (!held) readout(entry, null);
    }
    for (const [key, news] of Object.entries(body.charts)) {
      const figure = [...document.querySelectorAll("[data-chart]")].find((one) => one.dataset.chart === key);
      if (!figure || drawn.has(key)) continue;
      figure.querySelector(".now b").textContent = news.now;
      figure.querySelector(".now small span").textContent = news.unit;
    }
  }

  function start() {
    for (const figure of document.querySelectorAll("[data-chart]")) sights.observe(figure);
  }

  start();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const entry of drawn.values()) build(entry);
  });

  return { since, update };
})();
