import { describe, expect, test } from 'vitest'
import type { Event } from '../api/model'
import { arrive, backoff, capacity, emptyFeed, extend, join, pause, restart, resume, upsert } from './reduce'

const event = (n: number, extra: Partial<Event> = {}) => ({ id: `id-${String(n).padStart(5, '0')}`, time: new Date(1_700_000_000_000 + n * 1000).toISOString(), count: 1, ...extra }) as Event
const ids = (list: Event[]) => list.map((e) => Number(e.id.slice(3)))

describe('the live feed', () => {
  test('puts the newest first, whatever the order of arrival', () => {
    const f = arrive(arrive(emptyFeed, [event(1), event(3)]), [event(2)])
    expect(ids(f.events)).toEqual([3, 2, 1])
    expect(f.seen).toBe(3)
  })
  test('shows an event once, in its latest form', () => {
    const f = arrive(arrive(emptyFeed, [event(1)]), [event(1, { count: 9 })])
    expect(f.events).toHaveLength(1)
    expect(f.events[0]?.count).toBe(9)
  })
  test('holds at most its capacity', () => {
    const f = arrive(emptyFeed, Array.from({ length: capacity + 20 }, (_, i) => event(i)))
    expect(f.events).toHaveLength(capacity)
    expect(ids(f.events)[0]).toBe(capacity + 19)
  })
  test('keeps still while paused and catches up after', () => {
    let f = pause(arrive(emptyFeed, [event(1)]))
    f = arrive(f, [event(2), event(3)])
    expect(ids(f.events)).toEqual([1])
    expect(f.held).toHaveLength(2)
    f = resume(f)
    expect(ids(f.events)).toEqual([3, 2, 1])
    expect(f.held).toEqual([])
  })
  test('counts what a long pause could not hold', () => {
    const f = arrive(pause(emptyFeed), Array.from({ length: capacity + 7 }, (_, i) => event(i)))
    expect(f.held).toHaveLength(capacity)
    expect(f.missed).toBe(7)
  })
  test('begins again with a search, and grows by older pages', () => {
    const f = extend(restart(arrive(emptyFeed, [event(9)]), [event(5), event(4)]), [event(3)])
    expect(ids(f.events)).toEqual([5, 4, 3])
  })
  test('is the same feed when nothing came', () => {
    expect(arrive(emptyFeed, [])).toBe(emptyFeed)
  })
})

test('join settles equal times by id', () => {
  const time = '2026-11-23T07:00:00Z'
  expect(ids(join([event(1, { time }), event(2, { time })], []))).toEqual([2, 1])
})

test('upsert changes in place or adds in front', () => {
  const list = [{ id: 'a', n: 1 }, { id: 'b', n: 1 }]
  expect(upsert(list, { id: 'b', n: 2 })).toEqual([{ id: 'a', n: 1 }, { id: 'b', n: 2 }])
  expect(upsert(list, { id: 'c', n: 3 })[0]).toEqual({ id: 'c', n: 3 })
})

test('waits grow to a ceiling and never vanish', () => {
  expect(backoff(0, 0)).toBe(250)
  expect(backoff(0, 1)).toBe(500)
  expect(backoff(3, 1)).toBe(4000)
  expect(backoff(50, 1)).toBe(15_000)
})
