// The cells of many nodes on a canvas, from one byte a node; the list of links stays for others.
"use strict";

const heat = (() => {
  const NONE = 254;
  const LOST = 255;
  const GAP = 2;
  const SMALLEST = innerWidth < 560 ? 9 : 10; // still hit by a finger or a hand that trembles
  const maps = [];
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function levelOf(map, byte) {
    if (byte === LOST) return "lost";
    if (byte === NONE) return "none";
    return `l${map.steps.filter((step) => byte > step).length}`;
  }

  function said(map, byte) {
    if (byte === LOST) return page.say("lost");
    if (byte === NONE) return page.say("none");
    if (map.steps[0] === 25) return page.say("share", { n: byte });
    return words.quantity(map.low + (byte / 250) * (map.high - map.low), map.units).join(" ");
  }

  // The largest cell with which all clusters fit on the screen; on a page with one cluster it
  // leaves room for the table.
  function cellSize() {
    const sections = [...document.querySelectorAll(".cluster")];
    const top = sections.length ? sections[0].getBoundingClientRect().top + scrollY : innerHeight * 0.6;
    const room = Math.max(innerHeight - top, innerHeight * 0.36);
    const others = sections.filter((one) => !maps.some((map) => one.contains(map.element)));
    const taken = others.reduce((sum, one) => sum + one.offsetHeight, 0);
    for (let size = 22; size > SMALLEST; size -= 1) {
      const total = maps.reduce((sum, map) => sum + height(map, size), taken);
      if (total <= room) return size;
    }
    return SMALLEST;
  }

  // With the line below the map and the room around it, or the figures beside it if those are higher.
  function height(map, size) {
    const beside = map.element.closest(".cluster")?.firstElementChild;
    const own = rows(map, size) * (size + GAP) + 24;
    return (innerWidth > 760 && beside ? Math.max(own, beside.offsetHeight) : own) + (beside ? 28 : 0);
  }

  const across = (map, size) => Math.max(1, Math.floor((map.element.clientWidth + GAP) / (size + GAP)));
  const rows = (map, size) => Math.ceil(map.links.length / across(map, size));

  function draw(map, size) {
    const columns = across(map, size);
    const width = columns * (size + GAP);
    const tall = rows(map, size) * (size + GAP);
    const ratio = devicePixelRatio || 1;
    Object.assign(map, { size, columns });
    map.canvas.width = Math.round(width * ratio);
    map.canvas.height = Math.round(tall * ratio);
    map.canvas.style.width = `${width}px`;
    map.canvas.style.height = `${tall}px`;
    const pen = map.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const colours = ["--l0", "--l1", "--l2", "--l3", "--l4"].map(style);
    const dark = style("--down");
    const faint = style("--line");
    map.data.forEach((byte, place) => {
      const x = (place % columns) * (size + GAP);
      const y = Math.floor(place / columns) * (size + GAP);
      const level = levelOf(map, byte);
      if (level === "lost") return hatch(pen, x, y, size, dark);
      if (level === "none") {
        pen.strokeStyle = faint;
        pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
        return undefined;
      }
      pen.fillStyle = colours[Number(level[1])];
      pen.beginPath();
      pen.roundRect(x, y, size, size, Math.min(2, size / 5));
      return pen.fill();
    });
    if (map.over !== null) mark(map, pen);
  }

  function hatch(pen, x, y, size, colour) {
    pen.save();
    pen.beginPath();
    pen.rect(x, y, size, size);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineWidth = 1.6;
    pen.beginPath();
    for (let shift = -size; shift < size; shift += 4) {
      pen.moveTo(x + shift, y + size);
      pen.lineTo(x + shift + size, y);
    }
    pen.stroke();
    pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    pen.restore();
  }

  function mark(map, pen) {
    const x = (map.over % map.columns) * (map.size + GAP);
    const y = Math.floor(map.over / map.columns) * (map.size + GAP);
    pen.strokeStyle = style("--text");
    pen.lineWidth = 1.5;
    pen.strokeRect(x + 0.5, y + 0.5, map.size - 1, map.size - 1);
  }

  function drawAll() {
    if (!maps.length) return;
    const size = cellSize();
    for (const map of maps) draw(map, size);
  }

  function placeOf(map, event) {
    const box = map.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / (map.size + GAP));
    const row = Math.floor((event.clientY - box.top) / (map.size + GAP));
    const place = row * map.columns + column;
    return column >= 0 && column < map.columns && row >= 0 && place < map.links.length ? place : null;
  }

  function point(map, event) {
    const place = event ? placeOf(map, event) : null;
    if (place !== map.over) {
      map.over = place;
      draw(map, map.size);
    }
    tip.hidden = place === null;
    if (place === null) return;
    tip.textContent = `${map.links[place].textContent}  ${said(map, map.data[place])}`;
    const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
    tip.style.left = `${right ? event.clientX - 10 - tip.offsetWidth : event.clientX + 14}px`;
    tip.style.top = `${event.clientY + 16}px`;
    map.canvas.style.cursor = "pointer";
  }

  function adopt(element) {
    const list = element.querySelector("ol");
    const map = {
      element,
      list,
      name: element.dataset.heat,
      links: [...list.querySelectorAll("a")],
      data: bytes(element.dataset.bytes),
      steps: element.dataset.steps.split(",").map(Number),
      low: Number(element.dataset.low),
      high: Number(element.dataset.high),
      units: element.dataset.units,
      over: null,
      canvas: document.createElement("canvas"),
    };
    map.canvas.setAttribute("aria-hidden", "true");
    map.canvas.addEventListener("pointermove", (event) => point(map, event));
    map.canvas.addEventListener("pointerleave", () => point(map, null));
    map.canvas.addEventListener("click", (event) => {
      const place = placeOf(map, event);
      if (place === null) return;
      if (event.ctrlKey || event.metaKey) open(map.links[place].href, "_blank", "noopener");
      else location.assign(map.links[place].href);
    });
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = page.say("list", { n: words.number(map.links.length) });
    details.append(summary, list);
    list.className = "cells plain";
    element.append(map.canvas, details);
    maps.push(map);
  }

  function update(heats) {
    for (const map of maps) {
      const text = heats[map.name];
      if (text === undefined) continue;
      const data = bytes(text);
      // Other nodes than before: names and bytes no longer fit, the page is loaded anew.
      if (data.length !== map.links.length) return false;
      data.forEach((byte, place) => {
        if (byte === map.data[place]) return;
        const level = levelOf(map, byte);
        if (map.links[place].className !== level) map.links[place].className = level;
      });
      map.data = data;
      draw(map, map.size);
    }
    return true;
  }

  for (const element of document.querySelectorAll(".heat[data-bytes]")) adopt(element);
  drawAll();
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  return { update };
})();
