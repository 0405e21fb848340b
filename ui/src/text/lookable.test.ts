import { describe, expect, test } from 'vitest'
import { objectOf, objectsOf, verdictOf } from './lookable'

describe('an observable', () => {
  test.each([
    ['ip', '198.51.100.7', '198.51.100.7'],
    ['domain', 'bad.example', 'bad.example'],
    ['sha1', 'ab'.repeat(20), 'ab'.repeat(20)],
    ['certificate', 'ab'.repeat(20), 'ab' + ':ab'.repeat(19)],
    ['port', '443', ''],
    ['mac', '02:00:00:00:0a:01', ''],
  ])('%s %s is asked for as %s', (type, value, want) => expect(objectOf({ type, value } as never)).toBe(want))
  test('leads to its verdict', () => expect(verdictOf('http://a.example/?x=1&y')).toBe('/reputation?object=http%3A%2F%2Fa.example%2F%3Fx%3D1%26y'))
})

test('the objects of events, each once, the most frequent first', () => {
  const ip = (value: string) => ({ type: 'ip' as const, value })
  const events = [{ observables: [ip('a'), { type: 'port' as const, value: '1' }] }, { observables: [ip('b')] }, { observables: [ip('b')] }, {}]
  expect(objectsOf(events, 5)).toEqual([ip('b'), ip('a')])
  expect(objectsOf(events, 1)).toEqual([ip('b')])
})
