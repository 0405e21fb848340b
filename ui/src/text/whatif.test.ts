import { describe, expect, test } from 'vitest'
import { complete, fresh, fromAddress, question } from './whatif'

describe('what is asked', () => {
  test('comes from the address', () => {
    expect(fromAddress(new URLSearchParams('held=bots'))).toMatchObject({ change: 'held', feed: 'bots' })
    expect(fromAddress(new URLSearchParams('without=bots'))).toMatchObject({ change: 'without', feed: 'bots' })
    expect(fromAddress(new URLSearchParams('score=50'))).toMatchObject({ change: 'score', score: 50 })
    expect(fromAddress(new URLSearchParams('score=1000'))).toEqual(fresh)
  })
  test('is complete or not', () => {
    expect(complete(fresh)).toBe(false)
    expect(complete({ ...fresh, text: '192.0.2.1' })).toBe(true)
    expect(complete({ ...fresh, change: 'held' })).toBe(false)
    expect(complete({ ...fresh, change: 'score', score: 50 })).toBe(true)
  })
  test('becomes a question', async () => {
    const q = question({ ...fresh, text: '192.0.2.1', kind: 'bot', trust: 90, score: 60, owner: 'us' })
    expect(q.query).toEqual({ hours: 24, score: 60, kind: 'bot', trust: 90, owner: 'us' })
    expect(await q.list?.text()).toBe('192.0.2.1')
    expect(question({ ...fresh, change: 'without', feed: 'bots', text: 'left over' })).toEqual({ query: { hours: 24, without: 'bots' } })
  })
})
