// The pictures, this reviewer's decisions, and the way of a decision to the disk: the server answers after the write.

const RETRY = 1500; // milliseconds between two attempts while the server does not answer

export class Store {
  constructor(gallery, reviews, tell) {
    Object.assign(this, gallery);
    this.byId = new Map(this.images.map((image) => [image.id, image]));
    this.own = new Map(Object.entries(reviews));
    this.history = [];
    this.tell = tell; // (state, sentence): saved, saving, offline, refused
  }

  static async load(tell) {
    const [gallery, reviews] = await Promise.all([ask("/api/gallery"), ask("/api/reviews")]);
    return new Store(gallery, reviews, tell);
  }

  decision(id) {
    return this.own.get(id)?.decision ?? "";
  }

  // A note of an undecided picture waits in the browser for its decision.
  note(id) {
    return this.own.get(id)?.note ?? localStorage.getItem(this.draft(id)) ?? "";
  }

  keepDraft(id, note) {
    if (note) localStorage.setItem(this.draft(id), note);
    else localStorage.removeItem(this.draft(id));
  }

  draft(id) {
    return `note/${this.source}/${this.reviewer}/${id}`;
  }

  counts(images = this.images) {
    const found = { all: images.length, keep: 0, reject: 0, "": 0 };
    for (const image of images) found[this.decision(image.id)] += 1;
    return found;
  }

  async decide(id, decision, note) {
    const before = this.own.get(id) ?? null;
    if (before?.decision === decision && before.note === note) return;
    await this.save(id, { decision, note });
    this.keepDraft(id, "");
    this.history.push({ id, before });
  }

  async undo() {
    const last = this.history.at(-1);
    if (!last) return null;
    await this.save(last.id, last.before);
    this.history.pop();
    return last.id;
  }

  // Resolves when the decision is on the disk; waits for a server that is away; throws where it refuses.
  async save(id, review) {
    const { source, reviewer } = this;
    const body = JSON.stringify({ source, reviewer, id, decision: review?.decision ?? null, note: review?.note ?? "" });
    this.tell("saving");
    for (;;) {
      try {
        await ask("/api/reviews", { method: "POST", headers: { "Content-Type": "application/json" }, body });
        break;
      } catch (error) {
        if (!(error instanceof Away)) {
          this.tell("refused", error.message);
          throw error;
        }
        this.tell("offline", "The server does not answer: the last decision is not saved yet. Start it again; this page waits and goes on.");
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    if (review) this.own.set(id, review);
    else this.own.delete(id);
    this.tell("saved");
  }

  // Another tab of this reviewer may have decided in between.
  async refresh() {
    this.own = new Map(Object.entries(await ask("/api/reviews")));
  }
}

export class Refused extends Error {}
export class Away extends Error {}

async function ask(address, options) {
  const answer = await fetch(address, options).catch(() => {
    throw new Away("The server does not answer. Start it again, then load this page again.");
  });
  if (answer.ok) return answer.json();
  const type = answer.headers.get("content-type") ?? "";
  const said = type.includes("json") ? (await answer.json()).error : "its terminal says why";
  throw new Refused(`The server refuses (${answer.status}): ${said}`);
}
