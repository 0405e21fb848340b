import { expect, test } from 'vitest'
import { stack } from './stack'
import { wall } from './stones'

test('stack fills empty steps and adds up from the least severe', () => {
  const s = stack([{ time: '1970-01-01T00:00:20Z', counts: { info: 2, high: 3 } }], 10, 40, 10)
  expect(s.times).toEqual([10, 20, 30])
  expect(s.tops).toEqual([[0, 2, 0], [0, 2, 0], [0, 2, 0], [0, 5, 0], [0, 5, 0]])
  expect(s.total).toBe(5)
})

test('a wall has no gap between its stones and stands as far as it is covered', () => {
  for (const share of [0, 0.4, 1]) {
    const stones = wall(7, 236, 34, share)
    for (const y of [0, 17]) {
      const course = stones.filter((s) => s.y === y)
      let x = 0
      for (const s of course) {
        expect(s.x).toBeCloseTo(x)
        expect(s.w).toBeGreaterThan(5)
        x += s.w
      }
      expect(x).toBeCloseTo(236)
    }
    const standing = stones.filter((s) => s.set).reduce((n, s) => n + s.w, 0) / (2 * 236)
    expect(Math.abs(standing - share)).toBeLessThan(0.1)
  }
  expect(wall(7, 236, 34, 0.5)).toEqual(wall(7, 236, 34, 0.5))
})
