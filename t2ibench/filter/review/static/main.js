// The reviewer's hand: keys and buttons. What they ask for happens one after the other; a decision ends on the disk.

import { Browse } from "./browse.js";
import { Away, Refused, Store } from "./store.js";
import { $, fit, pictureOf, showPicture, showProgress, showState } from "./view.js";

let store, browse;
let current = null; // the picture on the stage
let state = "saved";
const queue = [];
let busy = false;

function tell(next, sentence) {
  if (state === "offline" && next === "saved") revive();
  state = next;
  if (next === "offline") queue.length = 0; // what was typed meanwhile was typed at a picture that did not move on
  showState(next, sentence);
}

// A picture that was asked for while the server was away; the thumbnails ask again by themselves.
function revive() {
  const picture = $("picture");
  if (picture.complete && !picture.naturalWidth) picture.src = picture.src;
}

async function ask(action) {
  if (state === "offline") return;
  queue.push(action);
  if (busy) return;
  busy = true;
  while (queue.length) {
    try {
      await queue.shift()();
    } catch (error) {
      queue.length = 0;
      tell("refused", error.message);
      if (!(error instanceof Refused || error instanceof Away)) console.error(error); // a fault of this page
    }
  }
  busy = false;
}

function show(image) {
  const moved = image !== current;
  current = image;
  if (moved && document.activeElement === $("note")) $("note").blur();
  const { list } = browse;
  const inside = image && list.includes(image);
  const said = { "": "", keep: " · you keep it", reject: " · you reject it" }[image ? store.decision(image.id) : ""];
  const place = inside ? `${list.indexOf(image) + 1} of ${list.length}${said}` : "";
  if (moved && state === "saved") showState(state);
  if (!image) $("empty").textContent = "No picture is left in this selection.";
  showPicture(image, store, place);
  showProgress(store);
  browse.point(image);
  if (!image) return;
  const at = browse.place(image);
  for (const near of [list[at + 1], list[at + 2], list[at - 1]]) if (near) new Image().src = pictureOf(near);
}

// The next undecided picture of the selection after a place, from the start again at its end; none: undefined.
function undecided(from) {
  const { list } = browse;
  const open = (image) => !store.decision(image.id);
  return list.slice(from).find(open) ?? list.slice(0, from).find(open);
}

async function decide(decision) {
  const image = current;
  if (!image) return;
  const fresh = !store.decision(image.id);
  await store.decide(image.id, decision, $("note").value.trim());
  press(decision);
  browse.mark(image.id);
  browse.apply();
  const at = browse.place(image);
  const after = browse.list[at] === image ? at + 1 : at;
  show(fresh ? undecided(after) ?? browse.list[after] ?? browse.list[at] ?? browse.list.at(-1) ?? null
    : browse.list[after] ?? browse.list.at(-1) ?? null);
  if (fresh && !store.counts()[""]) {
    showState(state, `All ${store.images.length} pictures are judged. Commit ${store.file}, and run the filter: dvc repro`);
  }
}

async function undo() {
  const id = await store.undo();
  if (!id) return;
  browse.mark(id);
  browse.apply();
  const image = store.byId.get(id);
  if (!browse.list.includes(image)) browse.reset();
  show(image);
}

function step(by) {
  const { list } = browse;
  if (!list.length) return;
  const at = current ? browse.place(current) : 0;
  const gone = current && list[at] !== current; // it left the selection: its place is taken by the one after
  const to = Math.min(Math.max(at + (gone && by > 0 ? by - 1 : by), 0), list.length - 1);
  show(list[to]);
}

function jump() {
  const at = current ? browse.place(current) : 0;
  const found = undecided(at + 1);
  if (found) show(found);
  else showState(state, "Every picture of this selection is judged.");
}

async function note(image, text) {
  const decision = store.decision(image.id);
  if (decision) await store.decide(image.id, decision, text);
  else store.keepDraft(image.id, text);
  show(current);
}

function press(decision) {
  const button = $(decision);
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 160);
}

function togglePixels() {
  localStorage.setItem("pixels", localStorage.getItem("pixels") === "yes" ? "no" : "yes");
  if (current) fit(current);
}

const KEYS = {
  k: () => decide("keep"), ArrowUp: () => decide("keep"),
  r: () => decide("reject"), ArrowDown: () => decide("reject"),
  ArrowLeft: () => step(-1), ArrowRight: () => step(1),
  u: undo, j: jump, p: togglePixels,
  n: () => current && $("note").focus(),
  "?": () => $("help").showModal(),
};
const REPEATS = ["ArrowLeft", "ArrowRight"]; // a key that is held down decides once

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || $("help").open) return;
  event.preventDefault();
  if (!event.repeat || REPEATS.includes(event.key)) ask(action);
}

function onNote(event) {
  if (event.key === "Enter") $("note").blur();
  if (event.key === "Escape") {
    $("note").value = current ? store.note(current.id) : "";
    $("note").blur();
  }
}

function listen() {
  document.addEventListener("keydown", onKey);
  $("note").addEventListener("keydown", onNote);
  let noted = null; // the picture that the note was begun for
  $("note").addEventListener("focus", () => { noted = current; });
  $("note").addEventListener("change", () => {
    const image = noted, text = $("note").value.trim();
    if (image) ask(() => note(image, text));
  });
  $("help-open").addEventListener("click", () => $("help").showModal());
  const clicks = { keep: KEYS.k, reject: KEYS.r, undo, jump, previous: () => step(-1), next: () => step(1) };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", () => ask(action));
  $("thumbs").addEventListener("click", open);
  $("original").addEventListener("click", open);
  new ResizeObserver(() => current && fit(current)).observe($("stage"));
  addEventListener("beforeunload", (event) => {
    if (state === "saving" || state === "offline") event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") ask(refresh);
  });
}

function open(event) {
  const button = event.target.closest("button");
  if (!button) return;
  ask(() => show(store.byId.get(button.dataset.id)));
  $("stage").scrollIntoView({ block: "nearest" }); // on a phone the thumbnails lie below
}

async function refresh() {
  await store.refresh();
  for (const image of store.images) browse.mark(image.id);
  browse.apply();
  show(current ?? browse.list[0] ?? null);
}

async function start() {
  store = await Store.load(tell);
  for (const id of ["source", "reviewer", "file"]) $(id).textContent = store[id];
  browse = new Browse(store, () => show(browse.list.includes(current) ? current : undecided(0) ?? browse.list[0] ?? null));
  show(undecided(0) ?? browse.list[0] ?? null);
  listen();
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  showState("refused", `The page could not load: ${error.message}`);
  console.error(error);
});
