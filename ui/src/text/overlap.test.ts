import { describe, expect, test } from 'vitest'
import type { Feed } from '../api/model'
import { level, matrix, percent } from './overlap'

const feed = (name: string, entries: number, overlaps: Feed['overlaps']): Feed => ({
  name, owner: name, format: '', place: '', licence: '', trust: 50, kind: 'bot', state: 'ok', interval_s: 0, entries, read: entries, refused: 0, added: 0, removed: 0, overlap: 0, overlaps, hits: 0, refusals: [],
})

describe('the matrix of feeds', () => {
  const feeds = [feed('a', 10, [{ source: 'b', entries: 4 }]), feed('b', 8, []), feed('alone', 5, []), feed('empty', 0, [{ source: 'a', entries: 1 }])]
  test('has those that share, and a pair named by one of both', () => {
    const m = matrix(feeds, 9)
    expect(m.columns).toEqual(['a', 'b'])
    expect(m.rows.map((r) => r.shared)).toEqual([[undefined, 4], [4, undefined]])
  })
  test('is bounded', () => expect(matrix(feeds, 1).columns).toEqual(['a']))
})

test.each([[0, 10, '0', 0], [1, 1000, '<1', 1], [17, 100, '17', 2], [50, 100, '50', 3], [999, 1000, '>99', 4], [5, 5, '100', 4], [1, 0, '0', 0]])('%i of %i is %s %', (part, all, want, dark) => {
  expect(percent(part, all)).toBe(want)
  expect(level(part, all)).toBe(dark)
})
