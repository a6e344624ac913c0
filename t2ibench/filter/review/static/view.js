// What the page shows: the big picture, the facts beside it, the progress, the saving state.

import { finding, measures } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const address = (kind, image) => `/${kind}/${encodeURIComponent(image.id)}?v=${image.version}`;
export const pictureOf = (image) => address("pictures", image);
export const thumbnailOf = (image) => address("thumbnails", image);

const SMALL = 256; // pixels: up to here a picture can be shown pixel by pixel: then enlarged by a whole number, all pixels alike

export function fit(image) {
  const box = $("stage").getBoundingClientRect();
  let scale = Math.min(box.width / image.width, box.height / image.height);
  const crisp = Math.max(image.width, image.height) <= SMALL && localStorage.getItem("pixels") === "yes";
  if (crisp && scale > 1) scale = Math.floor(scale * devicePixelRatio) / devicePixelRatio;
  $("picture").style.width = `${image.width * scale}px`;
  $("picture").style.height = `${image.height * scale}px`;
  $("picture").classList.toggle("crisp", crisp);
}

export function showPicture(image, store, place) {
  $("empty").hidden = Boolean(image);
  $("picture").hidden = !image;
  document.body.classList.toggle("nothing", !image);
  const decision = image ? store.decision(image.id) : "";
  $("stage").dataset.own = decision;
  $("keep").setAttribute("aria-pressed", decision === "keep");
  $("reject").setAttribute("aria-pressed", decision === "reject");
  $("undo").disabled = store.history.length === 0;
  $("place").textContent = place;
  if (!image) return;
  const picture = $("picture");
  if (picture.dataset.id !== image.id) {
    picture.dataset.id = image.id;
    picture.src = pictureOf(image);
    picture.alt = `${image.class}: ${image.prompt}`;
    showFacts(image, store);
  }
  fit(image);
  if (document.activeElement !== $("note")) $("note").value = store.note(image.id);
}

function showFacts(image, store) {
  $("class").textContent = image.class;
  $("prompt").textContent = image.prompt;
  $("filter").dataset.reason = image.reason;
  $("filter").querySelector("b").textContent = image.reason ? "Filter rejects" : "Filter keeps";
  $("filter").querySelector("span").textContent = finding(image);
  const original = store.byId.get(image.duplicate_of);
  $("original").hidden = !original;
  if (original) $("original").dataset.id = original.id;
  if (original) $("original").firstElementChild.src = thumbnailOf(original);
  const scores = Object.entries(image.clip_scores).sort((a, b) => b[1] - a[1]);
  const top = Math.max(...scores.map(([, score]) => score), 0.01);
  $("scores").replaceChildren(...scores.map(([name, score]) => {
    const bar = make("i");
    bar.style.width = `${Math.max(0, (100 * score) / top)}%`;
    const row = make("li", {}, make("span", {}, name), make("div", {}, bar), make("em", {}, score.toFixed(2)));
    row.classList.toggle("own-class", name === image.class);
    return row;
  }));
  $("measures").replaceChildren(...measures(image).flatMap(([name, value, title]) => [
    make("dt", { title }, name), make("dd", {}, value),
  ]));
}

export function showProgress(store) {
  const { all, keep, reject } = store.counts();
  const [kept, rejected] = $("track").children;
  kept.style.width = `${(100 * keep) / all}%`;
  rejected.style.width = `${(100 * reject) / all}%`;
  $("track").setAttribute("aria-valuemax", all);
  $("track").setAttribute("aria-valuenow", keep + reject);
  const done = make("b", {}, String(keep + reject));
  $("counts").replaceChildren(done, ` of ${all} judged`, make("span", { className: "parts" }, ` · ${keep} kept · ${reject} rejected`));
  document.title = `${store.source}: ${keep + reject} of ${all}`;
}

const STATES = { saved: "Saved", saving: "Saving …", offline: "Not saved", refused: "Not saved" };

export function showState(state, sentence = "") {
  $("state").dataset.state = state;
  $("state").textContent = STATES[state];
  $("trouble").hidden = !sentence;
  $("trouble").dataset.state = state;
  $("trouble").textContent = sentence;
}
