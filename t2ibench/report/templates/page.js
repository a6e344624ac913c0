// Puts the pictures in place, and shows the history of the one that is clicked. Nothing is loaded from outside.
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const pictures = read("pictures");
  const records = read("records");
  const dialog = document.getElementById("lineage");
  const PREFIX = "#image-";
  const NONE = "none";

  for (const image of document.querySelectorAll("img[data-picture]")) {
    image.decoding = "async";
    image.src = pictures[image.dataset.picture];
  }

  const links = [...new Set([...document.querySelectorAll("a.tile")].map((link) => link.getAttribute("href").slice(PREFIX.length)))];

  // An element with attributes and children; texts are never read as HTML.
  const make = (tag, attributes, ...children) => {
    const svg = tag === "svg" || tag === "rect" || tag === "polygon";
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const words = (text) => String(text).replaceAll("_", " ");
  const shown = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
  const rows = (pairs) => {
    const kept = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
    return make("dl", {}, ...kept.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  };

  const overlay = (view) => {
    const shapes = [];
    if (view.mask && view.mask.points) shapes.push(make("polygon", { points: view.mask.points }));
    if (view.seen && view.seen.box) {
      const [x0, y0, x1, y1] = view.seen.box;
      shapes.push(make("rect", { x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) }));
    }
    return make("svg", { class: "outline", viewBox: `0 0 ${view.width} ${view.height}`, "aria-hidden": "true" }, ...shapes);
  };
  const figure = (record, view) => {
    const image = make("img", {
      src: pictures[view.picture], alt: `${record.class}, ${view.name}. Prompt: ${record.prompt}`,
      width: view.width, height: view.height, class: view.crisp ? "crisp" : "",
    });
    const told = [];
    if (view.seen) {
      const right = view.seen.predicted === record.class;
      const sure = view.seen.predicted === NONE ? "" : ` ${view.seen.confidence.toFixed(2)}`;
      told.push(make("span", {}, "seen as ", make("b", { class: right ? "good" : "bad" }, view.seen.predicted), sure));
      if (view.seen.runner_up !== NONE) {
        told.push(make("span", {}, `then ${view.seen.runner_up} ${view.seen.runner_up_confidence.toFixed(2)}`));
      }
    }
    if (view.mask) {
      const right = view.mask.predicted === record.class;
      const found = view.mask.predicted !== NONE;
      told.push(make("span", {}, "mask ", make("b", { class: right ? "good" : "bad" }, view.mask.predicted),
        found ? ` ${view.mask.confidence.toFixed(2)}, ${Math.round(100 * view.mask.area)} % of the picture` : ""));
    }
    return make("figure", {}, make("div", { class: "frame" }, image, overlay(view)),
      make("figcaption", {}, make("strong", {}, view.name), ...told));
  };

  const decision = (record) => {
    const row = record.decision;
    const verdict = row.keep ? make("b", { class: "good" }, "kept") : make("b", { class: "bad" }, `rejected: ${row.reason}`);
    return rows([
      ["filter", verdict],
      ["CLIP's first", row.clip_class],
      ["brightness", row.brightness.toFixed(3)],
      ["contrast", row.contrast.toFixed(3)],
      ["people", row.people.toFixed(2)],
      ["repeats", row.duplicate_of],
      ["review", row.review],
    ]);
  };
  const scores = (record) => {
    const values = record.decision.clip_scores;
    const most = Math.max(...values.map(([, score]) => score), 0.01);
    return make("ul", { class: "scores", "aria-label": "CLIP scores" }, ...values.map(([name, score]) =>
      make("li", name === record.class ? { class: "own" } : {}, make("span", {}, name),
        make("meter", { min: 0, max: most, value: Math.max(0, score) }), make("span", {}, score.toFixed(3)))));
  };

  const button = (label, text, act) => {
    const element = make("button", { type: "button", "aria-label": label }, text);
    element.addEventListener("click", act);
    return element;
  };
  const step = (by) => {
    const here = links.indexOf(dialog.dataset.image);
    const next = links[(here + by + links.length) % links.length];
    history.replaceState(null, "", PREFIX + next);
    show(next);
  };
  const show = (key) => {
    const record = records[key];
    const bar = make("div", { class: "bar" },
      make("h2", { id: "lineage-title" }, record ? record.class : "Not on this page", record ? make("small", {}, `${record.source} / ${record.id}`) : null),
      button("Previous image", "←", () => step(-1)), button("Next image", "→", () => step(1)), button("Close", "✕", () => dialog.close()));
    const body = make("div", { class: "body" });
    if (record) {
      const toggle = make("input", { type: "checkbox", checked: "" });
      toggle.addEventListener("change", () => body.classList.toggle("plain", !toggle.checked));
      body.append(
        make("div", { class: "views" }, ...record.views.map((view) => figure(record, view)),
          make("label", {}, toggle, " box and mask")),
        make("div", { class: "told" },
          make("blockquote", {}, record.prompt),
          rows([
            ["prompt", `${record.kind} ${record.prompt_id}, image ${record.index}`],
            ...Object.entries(record.origin).map(([name, value]) => [`prompt's ${words(name)}`, shown(value)]),
            ["seed", String(record.seed)],
            ["drawn by", record.engine],
            ...Object.entries(record.made).filter(([, value]) => value !== "").map(([name, value]) => [words(name), shown(value)]),
          ]),
          decision(record), scores(record)));
    } else {
      body.append(make("p", {}, `This report does not show the image ${key}.`));
    }
    dialog.dataset.image = key;
    dialog.replaceChildren(bar, body);
    if (!dialog.open) dialog.showModal();
  };

  // #image-<source>/<id>, or #image-<id> where one source is meant as well as another
  const route = () => {
    if (!location.hash.startsWith(PREFIX)) {
      if (dialog.open) dialog.close();
      return;
    }
    const asked = decodeURIComponent(location.hash.slice(PREFIX.length));
    show(asked in records ? asked : Object.keys(records).find((key) => key.endsWith(`/${asked}`)) || asked);
  };
  addEventListener("hashchange", route);
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith(PREFIX)) history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  route();

  const tabs = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const tab = tabs.get(entry.target.id);
      if (entry.isIntersecting) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  for (const id of tabs.keys()) watch.observe(document.getElementById(id));
})();
