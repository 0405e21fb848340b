import { expect, test } from 'vitest'
import { ago, bitRate, bytes, delay, isSet, short, span, whole } from './units'

test.each([
  [0, '0'],
  [0.84, '0.8'],
  [12.4, '12'],
  [999, '999'],
  [999.6, '1.00 k'],
  [1234, '1.23 k'],
  [45_678, '45.7 k'],
  [999_499, '999 k'],
  [999_500, '1.00 M'],
  [1.2e12, '1.20 T'],
])('short(%d) is %s', (n, want) => expect(short(n)).toBe(want))

test('sizes and rates carry their unit', () => {
  expect(bytes(12)).toBe('12 B')
  expect(bytes(1.5e6)).toBe('1.50 MB')
  expect(bitRate(2.03e8)).toBe('203 Mbit/s')
  expect(whole(1234567, 'ja')).toBe('1,234,567')
})

test.each([
  [0, '0 s', '0 秒'],
  [42, '42 s', '42 秒'],
  [3900, '1 h 05 min', '1 時間 05 分'],
  [86_400 * 2, '2 d', '2 日'],
  [-5, '0 s', '0 秒'],
])('span(%d)', (s, english, japanese) => {
  expect(span(s, 'en')).toBe(english)
  expect(span(s, 'ja')).toBe(japanese)
})

test('delays are exact while they are short', () => {
  expect(delay(214, 'en')).toBe('+0.214 s')
  expect(delay(214, 'ja', '')).toBe('0.214 秒')
  expect(delay(4200, 'en')).toBe('+4.20 s')
  expect(delay(64_000, 'en')).toBe('+1 min 04 s')
  expect(delay(-20, 'en')).toBe('−0.020 s')
})

test('ago counts in one unit', () => {
  const now = Date.parse('2026-11-23T07:00:00Z')
  expect(ago('2026-11-23T06:57:00Z', now, 'en')).toBe('3 min ago')
  expect(ago('2026-11-23T06:57:00Z', now, 'ja')).toBe('3 分前')
})

test('a time that Go never set is not set', () => {
  expect(isSet('0001-01-01T00:00:00Z')).toBe(false)
  expect(isSet(undefined)).toBe(false)
  expect(isSet('2026-11-23T07:00:00Z')).toBe(true)
})
