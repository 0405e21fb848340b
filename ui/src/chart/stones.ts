// The stones of a wall in the picture of the yard: two courses of stones with
// uneven lengths, laid the same way on every screen.

export interface Stone {
  x: number
  y: number
  w: number
  h: number
  /** Whether a protection stands behind it; the rest is a gap in the wall. */
  set: boolean
}

/** Numbers from 0 to 1 that only depend on the seed (mulberry32). */
function dice(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** A wall of the given length and thickness of which share (0 to 1) stands. */
export function wall(seed: number, length: number, thickness: number, share: number): Stone[] {
  const roll = dice(seed)
  const stones: Stone[] = []
  const h = thickness / 2
  for (const course of [0, 1]) {
    let x = 0
    while (x < length - 0.01) {
      const wish = h * (0.9 + 1.1 * roll())
      const w = length - x - wish < h * 0.8 ? length - x : wish
      stones.push({ x, y: course * h, w, h, set: x + w / 2 <= length * share })
      x += w
    }
  }
  return stones
}
