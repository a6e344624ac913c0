// The selection: which pictures the three choices leave, and their thumbnails.

import { Lazy } from "./lazy.js";
import { OWN, REASONS } from "./words.js";
import { $, make, thumbnailOf } from "./view.js";

const MARKS = { keep: "kept", reject: "rejected", "": "undecided" };

export class Browse {
  constructor(store, choose) {
    this.store = store;
    this.choice = { own: "all", class: "all", reason: "all" };
    this.choose = choose; // called after a choice
    this.lazy = new Lazy($("thumbs"));
    this.buttons = new Map(store.images.map((image) => [image.id, this.thumbnail(image)]));
    $("thumbs").replaceChildren(...this.buttons.values());
    this.options($("by-class"), "class", "every class", (name) => name);
    this.options($("by-reason"), "reason", "any outcome", (name) => REASONS[name] ?? name);
    $("own").replaceChildren(...Object.entries(OWN).map(([value, word]) => {
      const button = make("button", { type: "button", value }, word, make("small"));
      button.addEventListener("click", () => this.set("own", value));
      return button;
    }));
    for (const image of store.images) this.mark(image.id);
    this.apply();
  }

  thumbnail(image) {
    const picture = make("img", { decoding: "async", width: 64, height: 64, alt: "" });
    this.lazy.add(picture, thumbnailOf(image));
    return make("button", { type: "button", tabIndex: -1, "data-id": image.id, "data-reason": image.reason }, picture);
  }

  options(select, key, everything, word) {
    const counted = new Map();
    for (const image of this.store.images) counted.set(image[key], (counted.get(image[key]) ?? 0) + 1);
    const rows = [...counted].map(([name, count]) => make("option", { value: `=${name}` }, `${word(name)} (${count})`));
    select.replaceChildren(make("option", { value: "all" }, everything), ...rows);
    select.addEventListener("change", () => {
      this.set(key, select.value);
      select.blur(); // the keys are the page's again
    });
  }

  set(key, value) {
    this.choice[key] = value;
    this.apply();
    this.choose();
  }

  reset() {
    this.choice = { own: "all", class: "all", reason: "all" };
    this.apply();
  }

  apply() {
    const { own, class: name, reason } = this.choice;
    this.pool = this.store.images.filter((image) =>
      (name === "all" || `=${image.class}` === name) && (reason === "all" || `=${image.reason}` === reason));
    this.list = own === "all" ? [...this.pool] : this.pool.filter((image) => this.store.decision(image.id) === own);
    const shown = new Set(this.list.map((image) => image.id));
    for (const [id, button] of this.buttons) if (button.hidden === shown.has(id)) button.hidden = !button.hidden;
    $("by-class").value = name;
    $("by-reason").value = reason;
    this.count();
  }

  count() {
    const counts = this.store.counts(this.pool);
    for (const button of $("own").children) {
      button.setAttribute("aria-pressed", button.value === this.choice.own);
      button.querySelector("small").textContent = counts[button.value];
    }
  }

  mark(id) {
    const button = this.buttons.get(id);
    const own = this.store.decision(id);
    button.dataset.own = own;
    const image = this.store.byId.get(id);
    button.title = `${image.class}, ${MARKS[own]}${image.reason ? `; the filter rejects it (${REASONS[image.reason]})` : ""}`;
    button.setAttribute("aria-label", button.title);
  }

  // Where a picture stands in the selection, or would stand: the list keeps the gallery's order.
  place(image) {
    const order = this.store.images;
    this.order ??= new Map(order.map((one, index) => [one.id, index]));
    const index = this.order.get(image.id);
    const found = this.list.findIndex((one) => this.order.get(one.id) >= index);
    return found < 0 ? this.list.length : found;
  }

  point(image) {
    this.current?.removeAttribute("aria-current");
    if (this.current) this.current.tabIndex = -1;
    this.current = image ? this.buttons.get(image.id) : null;
    if (!this.current) return;
    this.current.setAttribute("aria-current", "true");
    this.current.tabIndex = 0;
    const box = $("thumbs"), top = this.current.offsetTop - box.offsetTop, height = this.current.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top - height;
    else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * height - box.clientHeight;
  }
}
