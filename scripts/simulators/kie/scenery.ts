/*
 * Light and shapes that are drawn over a graded photo, as SVG. Gradients only: blurs would cost more than all the rest.
 */

export type Scenery =
  | "gaslight"
  | "skyline"
  | "neon"
  | "halftone"
  | "sparks"
  | "speed"
  | "sun"
  | "spray";

/** Inside of the frame that scenery is drawn into. */
interface Canvas {
  width: number;
  height: number;
  random: () => number;
}

/** The scenery as the content of an SVG of this size, in the accent colour where it has no colour of its own. */
export function drawScenery(scenery: Scenery, canvas: Canvas, accent: string): string {
  return DRAWINGS[scenery](canvas, accent);
}

const DRAWINGS: Record<Scenery, (canvas: Canvas, accent: string) => string> = {
  gaslight({ width, height, random }) {
    const scratches = repeat(7, () => {
      const x = random() * width;
      const top = random() * height * 0.5;
      const length = height * (0.2 + random() * 0.5);
      return line(
        x,
        top,
        x + random() * 6 - 3,
        top + length,
        "#fff6df",
        0.8,
        0.12 + random() * 0.2,
      );
    });
    const smoke = repeat(9, () => {
      const radius = width * (0.12 + random() * 0.22);
      return glow(random() * width, height * (0.8 + random() * 0.25), radius, "#e9d7b4", 0.22);
    });
    return glow(width * (0.78 + random() * 0.15), height * 0.08, width * 0.55, "#ffcf7a", 0.6) +
      smoke + scratches;
  },

  skyline({ width, height, random }) {
    let x = 0;
    let towers = "";
    while (x < width) {
      const wide = width * (0.05 + random() * 0.09);
      const tall = height * (0.06 + random() * 0.16);
      towers += rect(x, height - tall, wide, tall, "#0f2340", 0.72);
      for (let y = height - tall + 8; y < height - 6; y += 14) {
        for (let at = x + 6; at < x + wide - 6; at += 11) {
          if (random() < 0.4) towers += rect(at, y, 4, 6, "#ffe9b0", 0.75);
        }
      }
      x += wide + 2;
    }
    const beam = (left: number, wide: number) =>
      `<polygon points="${left * width},0 ${(left + wide) * width},0 ${
        (left + wide - 0.4) * width
      },${height} ` +
      `${(left - 0.4) * width},${height}" fill="#ffffff" opacity="0.13"/>`;
    return beam(0.35, 0.12) + beam(0.55, 0.22) + beam(0.95, 0.16) + towers;
  },

  neon({ width, height, random }) {
    const rain = repeat(90, () => {
      const [x, y] = [random() * width, random() * height];
      const length = height * (0.03 + random() * 0.06);
      return line(x, y, x - length * 0.12, y + length, "#cfe9ff", 1, 0.12 + random() * 0.25);
    });
    const tube = (x: number, colour: string) =>
      [[26, 0.1], [15, 0.2], [7, 0.55], [2.5, 1]].map(([wide = 1, opacity = 1]) =>
        line(
          x,
          height * 0.06,
          x,
          height * 0.94,
          wide < 3 ? "#ffffff" : colour,
          wide * width / 700,
          opacity,
        )
      ).join("");
    return glow(0, height * 0.4, width * 0.75, "#00c8ff", 0.75) +
      glow(width, height * 0.45, width * 0.75, "#ff1493", 0.8) +
      tube(width * 0.045, "#00d5ff") + tube(width * 0.955, "#ff2fa0") + rain;
  },

  halftone({ width, height }, accent) {
    const step = Math.max(width, height) / 60;
    let dots = "";
    for (let y = 0; y < height; y += step) {
      for (let x = 0; x < width; x += step) {
        const edge = Math.hypot(x / width - 0.5, y / height - 0.45) * 1.7 - 0.45;
        if (edge > 0) dots += `<circle cx="${x}" cy="${y}" r="${Math.min(0.6, edge) * step}"/>`;
      }
    }
    return `<g fill="${accent}" opacity="0.75">${dots}</g>`;
  },

  sparks({ width, height, random }, accent) {
    return repeat(70, () => {
      const [x, y] = [random() * width, random() * height];
      const radius = width * (0.004 + random() * 0.02);
      return glow(x, y, radius * 2, accent, 0.8) +
        `<circle cx="${x}" cy="${y}" r="${radius / 5}" fill="#fff"/>`;
    });
  },

  speed({ width, height, random }, accent) {
    return repeat(40, () => {
      const y = random() * height;
      const edge = random() < 0.5;
      const length = width * (0.08 + random() * 0.2);
      const from = edge ? 0 : width - length;
      return line(
        from,
        y,
        from + length,
        y - height * 0.01,
        accent,
        1 + random() * 5,
        0.3 + random() * 0.5,
      );
    });
  },

  sun({ width, height }, accent) {
    return glow(width * 0.2, height * 0.1, width * 0.9, accent, 0.6) +
      glow(width * 0.5, height, width * 0.7, "#c76b1a", 0.5);
  },

  spray({ width, height, random }, accent) {
    return repeat(12, () => {
      const left = random() < 0.5;
      const x = width * (left ? random() * 0.2 : 0.8 + random() * 0.2);
      const y = random() * height;
      const drip = line(x, y, x, y + height * (0.05 + random() * 0.15), accent, 4, 0.7);
      return glow(x, y, width * (0.05 + random() * 0.12), accent, 0.85) + drip;
    });
  },
};

/** A soft spot of light. */
function glow(x: number, y: number, radius: number, colour: string, opacity: number): string {
  const id = `g${Math.round(x)}-${Math.round(y)}-${Math.round(radius)}`;
  return `<radialGradient id="${id}" gradientUnits="userSpaceOnUse" cx="${x}" cy="${y}" r="${radius}">` +
    `<stop offset="0" stop-color="${colour}" stop-opacity="${opacity}"/>` +
    `<stop offset="1" stop-color="${colour}" stop-opacity="0"/></radialGradient>` +
    `<circle cx="${x}" cy="${y}" r="${radius}" fill="url(#${id})"/>`;
}

function line(
  ...[x1, y1, x2, y2, colour, wide, opacity]: [
    number,
    number,
    number,
    number,
    string,
    number,
    number,
  ]
): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}" stroke-width="${wide}" ` +
    `stroke-linecap="round" opacity="${opacity}"/>`;
}

function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
  opacity: number,
): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${colour}" opacity="${opacity}"/>`;
}

function repeat(times: number, draw: () => string): string {
  return Array.from({ length: times }, draw).join("");
}
