import { createHash } from "node:crypto";
import { seededRandom } from "./faults.ts";
import type { Scenery } from "./scenery.ts";

/** How a picture is made to look: a grade, light drawn over it, a frame with a caption. */
export interface Look {
  caption: string;
  /** Shadows and highlights of the tone the photo is drawn towards, as RGB. */
  shadow: [number, number, number];
  highlight: [number, number, number];
  /** How far: 0 keeps the colours of the photo, 1 leaves the two tones alone. */
  tone: number;
  contrast: number;
  saturation: number;
  grain: number;
  vignette: number;
  scenery: Scenery;
  /** Colour of paper and ink of frame and caption. */
  paper: string;
  ink: string;
  /** Makes the details of one prompt differ from those of another in the same look. */
  random: () => number;
}

type Recipe = Omit<Look, "random">;

const RECIPES: [RegExp, Recipe][] = [
  [/peaky|1920s?|gangster|shelby/i, {
    caption: "PEAKY BLINDERS · 1922",
    shadow: [22, 13, 7],
    highlight: [250, 219, 168],
    tone: 0.94,
    contrast: 1.22,
    saturation: 0.6,
    grain: 0.55,
    vignette: 0.85,
    scenery: "gaslight",
    paper: "#efe3c8",
    ink: "#3a2614",
  }],
  [/\bsuits\b|harvey specter|law firm|corporate|lawyer/i, {
    caption: "SUITS",
    shadow: [10, 24, 46],
    highlight: [232, 243, 252],
    tone: 0.62,
    contrast: 1.08,
    saturation: 0.75,
    grain: 0,
    vignette: 0.25,
    scenery: "skyline",
    paper: "#f7f9fb",
    ink: "#16283f",
  }],
  [/john wick|\bwick\b|noir|neon|assassin/i, {
    caption: "JOHN WICK",
    shadow: [6, 3, 26],
    highlight: [214, 190, 255],
    tone: 0.8,
    contrast: 1.45,
    saturation: 1.1,
    grain: 0.15,
    vignette: 0.9,
    scenery: "neon",
    paper: "#07060f",
    ink: "#ff4fb8",
  }],
  [/super\s?hero|superh[eé]roe|comic|marvel|avenger|batman/i, {
    caption: "SUPERHERO",
    shadow: [20, 10, 60],
    highlight: [255, 236, 120],
    tone: 0.35,
    contrast: 1.5,
    saturation: 1.7,
    grain: 0,
    vignette: 0.3,
    scenery: "halftone",
    paper: "#ffd400",
    ink: "#c1121f",
  }],
  [/magic|magia|wizard|fairy|hogwarts|enchant/i, {
    caption: "MAGIC",
    shadow: [24, 8, 58],
    highlight: [255, 222, 170],
    tone: 0.6,
    contrast: 1.1,
    saturation: 1.1,
    grain: 0.1,
    vignette: 0.7,
    scenery: "sparks",
    paper: "#24103f",
    ink: "#ffd98a",
  }],
  [/\bf1\b|formula|racing|pit lane|grand prix/i, {
    caption: "GRAND PRIX",
    shadow: [30, 4, 6],
    highlight: [255, 240, 232],
    tone: 0.4,
    contrast: 1.3,
    saturation: 1.4,
    grain: 0,
    vignette: 0.4,
    scenery: "speed",
    paper: "#d90416",
    ink: "#ffffff",
  }],
  [/breaking bad|heisenberg|desert|walter white/i, {
    caption: "BREAKING BAD",
    shadow: [22, 30, 8],
    highlight: [246, 222, 120],
    tone: 0.7,
    contrast: 1.2,
    saturation: 0.9,
    grain: 0.3,
    vignette: 0.5,
    scenery: "sun",
    paper: "#1d3319",
    ink: "#e8d44d",
  }],
  [/urban|urbano|street|graffiti|hip.?hop/i, {
    caption: "URBAN",
    shadow: [18, 18, 26],
    highlight: [255, 190, 120],
    tone: 0.45,
    contrast: 1.35,
    saturation: 1.3,
    grain: 0.25,
    vignette: 0.6,
    scenery: "spray",
    paper: "#1b1b20",
    ink: "#39e6c5",
  }],
];

const SCENERIES: Scenery[] = [
  "gaslight",
  "skyline",
  "neon",
  "halftone",
  "sparks",
  "speed",
  "sun",
  "spray",
];

/**
 * The look for a prompt: that of the first world it names, else one drawn from its hash. The same prompt always gets
 * the same look, down to the last detail.
 */
export function chooseLook(prompt: string): Look {
  const hash = createHash("sha256").update(prompt).digest();
  const random = seededRandom(hash.readUInt32LE(0));
  const recipe = RECIPES.find(([words]) => words.test(prompt))?.[1] ??
    inventedRecipe(prompt, random);
  return { ...recipe, random };
}

function inventedRecipe(prompt: string, random: () => number): Recipe {
  const hue = random() * 360;
  const [paper, ink] = [toHex(fromHsl(hue, 0.5, 0.14)), toHex(fromHsl(hue + 40, 0.85, 0.75))];
  return {
    caption: prompt.replace(/\s+/g, " ").trim().split(" ").slice(0, 3).join(" ").slice(0, 24)
      .toUpperCase(),
    shadow: fromHsl(hue, 0.7, 0.1),
    highlight: fromHsl(hue + 30 + random() * 60, 0.9, 0.85),
    tone: 0.55 + random() * 0.3,
    contrast: 1.05 + random() * 0.35,
    saturation: 0.8 + random() * 0.8,
    grain: random() < 0.5 ? 0 : 0.3,
    vignette: 0.3 + random() * 0.5,
    scenery: SCENERIES[Math.floor(random() * SCENERIES.length)] ?? "sparks",
    paper,
    ink,
  };
}

function fromHsl(hue: number, saturation: number, lightness: number): [number, number, number] {
  const channel = (offset: number) => {
    const k = (offset + hue / 30) % 12;
    const reach = saturation * Math.min(lightness, 1 - lightness);
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

function toHex(rgb: number[]): string {
  return `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
