// What the filter found, in words.

export const REASONS = {
  "": "passed every step",
  clip: "CLIP: another class",
  black: "black",
  flat: "flat",
  duplicate: "duplicate",
  people: "people",
};

export const OWN = { all: "All", "": "Undecided", keep: "Kept", reject: "Rejected" };

const shown = (value) => value.toFixed(2);

export function finding(image) {
  switch (image.reason) {
    case "": return "It passed every automatic step.";
    case "clip": return `CLIP ranks ${image.clip_class} above ${image.class}.`;
    case "black": return `Too dark: mean luminance ${shown(image.brightness)}.`;
    case "flat": return `Nearly one colour: contrast ${shown(image.contrast)}.`;
    case "duplicate": return `It repeats ${image.duplicate_of}.`;
    case "people": return `The detector sees a person, confidence ${shown(image.people)}.`;
    default: return `Reason: ${image.reason}.`;
  }
}

export function measures(image) {
  return [
    ["person", shown(image.people), "highest confidence of a person, 0 to 1"],
    ["luminance", shown(image.brightness), "mean, 0 to 1"],
    ["contrast", shown(image.contrast), "standard deviation of the luminance, 0 to 0.5"],
    ["size", `${image.width} × ${image.height} px`, ""],
    ["seed", image.seed, ""],
    ["id", image.id, ""],
  ];
}
