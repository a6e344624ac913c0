// Thumbnails are asked for while they are near the visible ones, a few at a time: a decision never waits behind them.

const AT_ONCE = 3; // of the six connections that a browser opens to one server

export class Lazy {
  constructor(box) {
    this.wanted = new Set();
    this.running = 0;
    this.watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.wanted.add(target);
        else this.wanted.delete(target);
      }
      this.next();
    }, { root: box, rootMargin: "300px" });
  }

  add(image, address) {
    image.dataset.address = address;
    this.watch.observe(image);
  }

  // Again when the server may be back, less and less often.
  later(image) {
    image.pause = Math.min(2 * (image.pause ?? 1000), 60000); // milliseconds
    setTimeout(() => this.watch.observe(image), image.pause);
  }

  next() {
    for (const image of this.wanted) {
      if (this.running >= AT_ONCE) return;
      this.wanted.delete(image);
      this.watch.unobserve(image);
      this.running += 1;
      const done = (event) => {
        image.onload = image.onerror = null;
        this.running -= 1;
        if (event.type === "error") this.later(image);
        this.next();
      };
      image.onload = image.onerror = done;
      image.src = image.dataset.address;
    }
  }
}
