"use strict";
(() => {
  const root = document.documentElement;
  const map = document.querySelector("svg.map");
  const sheet = document.querySelector(".sheet");
  const card = document.getElementById("card");
  const status = document.getElementById("status");
  const search = document.getElementById("search");
  const all = document.getElementById("all");
  const theme = document.getElementById("theme");
  const stations = [...map.querySelectorAll(".station")];
  const links = [...map.querySelectorAll(".link")];
  const width = map.width.baseVal.value;
  const height = map.height.baseVal.value;
  const numbers = (text) => text.split(" ").filter(Boolean).map(Number);
  const details = (station) => document.getElementById(station.id.replace("s", "d"));
  const ends = links.map((link) => numbers(link.dataset.ends));
  const texts = stations.map((station) => details(station).textContent.toLowerCase());
  let chosen = null;

  root.classList.add("scripted");
  // The card says the same, and more.
  for (const title of map.querySelectorAll(".station > title")) {
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }

  // One message's path.
  const show = (on, onLinks) => {
    map.classList.toggle("filtered", on !== null);
    stations.forEach((it, place) => it.classList.toggle("on", on !== null && on.has(place)));
    links.forEach((it, place) => it.classList.toggle("on", on !== null && onLinks.has(place)));
  };
  const choose = (station) => {
    if (chosen) {
      chosen.classList.remove("chosen");
      chosen.removeAttribute("aria-current");
    }
    chosen = station;
    all.hidden = station === null;
    for (const it of stations) it.classList.remove("found");
    if (station === null) {
      show(null);
      status.textContent = "";
      history.replaceState(null, "", location.pathname + location.search);
      return;
    }
    station.classList.add("chosen");
    station.setAttribute("aria-current", "true");
    const path = new Set(numbers(station.dataset.path));
    show(path, new Set(numbers(station.dataset.links)));
    status.textContent = `The path of ${station.dataset.name}: ${path.size} of ${stations.length}. Escape shows all.`;
    history.replaceState(null, "", "#" + encodeURIComponent(station.dataset.key));
  };

  // Documentation and fields, beside a station.
  const open = (station) => {
    const place = stations.indexOf(station);
    map.classList.add("hovering");
    links.forEach((it, number) => it.classList.toggle("near", ends[number].includes(place)));
    const copy = details(station).cloneNode(true);
    card.replaceChildren(...copy.childNodes);
    card.hidden = false;
    const box = station.getBoundingClientRect();
    const own = card.getBoundingClientRect();
    const right = box.right + 12 + own.width < root.clientWidth;
    const left = right ? box.right + 12 : Math.max(8, box.left - own.width - 12);
    const top = Math.max(8, Math.min(box.top, root.clientHeight - own.height - 8));
    card.style.left = `${left + window.scrollX}px`;
    card.style.top = `${top + window.scrollY}px`;
  };
  const close = () => {
    map.classList.remove("hovering");
    card.hidden = true;
  };

  for (const station of stations) {
    station.addEventListener("pointerenter", () => open(station));
    station.addEventListener("pointerleave", close);
    station.addEventListener("focus", () => open(station));
    station.addEventListener("blur", close);
    station.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(chosen === station ? null : station);
      // It would hide a part of the path.
      close();
    });
  }

  // Arrows lead along the links, and up and down a column.
  const box = (place) => stations[place].getBoundingClientRect();
  const beside = (place, direction) => {
    const here = box(place);
    const there = [];
    ends.forEach(([from, to]) => {
      if (from === place || to === place) there.push(from === place ? to : from);
    });
    return there.filter((it) => direction * (box(it).left - here.left) > 0)
      .sort((a, b) => Math.abs(box(a).left - here.left) - Math.abs(box(b).left - here.left)
        || Math.abs(box(a).top - here.top) - Math.abs(box(b).top - here.top))[0];
  };
  const below = (place, direction) => {
    const here = box(place);
    return stations.map((_, it) => it)
      .filter((it) => it !== place && Math.abs(box(it).left - here.left) < 1 && direction * (box(it).top - here.top) > 0)
      .sort((a, b) => Math.abs(box(a).top - here.top) - Math.abs(box(b).top - here.top))[0];
  };
  map.addEventListener("keydown", (event) => {
    const place = stations.indexOf(document.activeElement);
    if (place < 0) return;
    const next = {
      ArrowRight: () => beside(place, 1),
      ArrowLeft: () => beside(place, -1),
      ArrowDown: () => below(place, 1),
      ArrowUp: () => below(place, -1),
    }[event.key];
    if (event.key === " ") {
      event.preventDefault();
      stations[place].dispatchEvent(new MouseEvent("click", { cancelable: true }));
    } else if (next) {
      event.preventDefault();
      const found = next();
      if (found !== undefined) stations[found].focus();
    }
  });

  // Search in names, documentation and fields.
  const matches = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return new Set(stations.map((_, it) => it).filter((it) => words.every((word) => texts[it].includes(word))));
  };
  search.addEventListener("input", () => {
    const text = search.value.trim();
    choose(null);
    if (text === "") return;
    const found = matches(text);
    stations.forEach((it, place) => it.classList.toggle("found", found.has(place)));
    show(found, new Set());
    all.hidden = false;
    status.textContent = found.size === 1 ? "1 match" : `${found.size} matches`;
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = stations.find((it) => it.classList.contains("found"));
    if (first) {
      first.focus();
      first.scrollIntoView({ block: "nearest", inline: "center" });
    }
  });

  const reset = () => {
    search.value = "";
    choose(null);
    close();
  };
  all.addEventListener("click", () => {
    reset();
    search.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      reset();
    } else if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    }
  });

  // The size.
  const widest = 2;
  let scale = 1;
  const resize = (to) => {
    scale = Math.min(widest, Math.max(0.2, to));
    map.style.width = `${width * scale}px`;
    map.style.height = `${height * scale}px`;
  };
  const room = () => (sheet.clientWidth - 24) / width;
  // Letters stay readable: on a narrow screen, the map is wider than that.
  const fit = () => resize(Math.min(1.15, Math.max(0.72, room())));
  document.getElementById("larger").addEventListener("click", () => resize(scale * 1.2));
  document.getElementById("smaller").addEventListener("click", () => resize(scale / 1.2));
  document.getElementById("fit").addEventListener("click", () => resize(Math.min(1.15, room())));
  fit();

  // Light, dark, or as the system.
  const themes = ["auto", "light", "dark"];
  const wear = (name) => {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    theme.textContent = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" }[name];
  };
  let worn = 0;
  try {
    worn = Math.max(0, themes.indexOf(localStorage.getItem("cqrs-map-theme")));
  } catch { /* A page from a file may have no storage. */ }
  wear(themes[worn]);
  theme.addEventListener("click", () => {
    worn = (worn + 1) % themes.length;
    wear(themes[worn]);
    try {
      localStorage.setItem("cqrs-map-theme", themes[worn]);
    } catch { /* As above. */ }
  });

  // A link to a path.
  const follow = () => {
    let key = "";
    try {
      key = decodeURIComponent(location.hash.slice(1));
    } catch { /* Not a key. */ }
    const station = stations.find((it) => it.dataset.key === key);
    if (station) choose(station);
  };
  addEventListener("hashchange", follow);
  follow();
})();
