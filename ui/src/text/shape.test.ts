import { describe, expect, test } from 'vitest'
import type { Action, Shape } from '../api/model'
import { actionWords, address, readShape, shapeWords } from './shape'

const cases: [Shape, string, string][] = [
  [{}, 'anything', 'すべての通信'],
  [{ proto: 17, dst: '203.0.113.10/32', dst_port: 9000, len_min: 540, len_max: 540 }, 'UDP to 203.0.113.10 port 9000, 540 bytes', '203.0.113.10 ポート 9000 宛ての UDP、540 バイト'],
  [{ proto: 17, dst: '203.0.113.0/24', len_min: 512, len_max: 540 }, 'UDP to 203.0.113.0/24, 512 to 540 bytes', '203.0.113.0/24 宛ての UDP、512〜540 バイト'],
  [{ proto: 6, dst_port: 80, tcp_flags: 2, tcp_mask: 18 }, 'TCP SYN port 80', 'ポート 80 宛ての TCP SYN'],
  [{ proto: 6, tcp_flags: 0, tcp_mask: 18 }, 'TCP without SYN, ACK', 'TCP SYN, ACK なし'],
  [{ proto: 6, tcp_flags: 24, tcp_mask: 24, len_min: 60 }, 'TCP PSH+ACK, 60 bytes or more', 'TCP PSH+ACK、60 バイト以上'],
  [{ proto: 58, dst: '2001:db8::1/128', len_max: 1400 }, 'ICMPv6 to 2001:db8::1, at most 1400 bytes', '2001:db8::1 宛ての ICMPv6、1400 バイト以下'],
  [{ proto: 17, spoofed: true, dst: '203.0.113.10/32', src_port: 53 }, 'UDP from forged sources to 203.0.113.10 from port 53', '203.0.113.10 宛ての 送信元を偽装した UDP、送信元ポート 53'],
  [{ proto: 99 }, 'IP protocol 99', 'IP プロトコル 99'],
]

describe('a shape in words', () => {
  test.each(cases)('%o', (shape, english, japanese) => {
    expect(shapeWords(shape, 'en')).toBe(english)
    expect(shapeWords(shape, 'ja')).toBe(japanese)
  })
  test('nothing known means anything', () => {
    expect(shapeWords(undefined, 'en')).toBe('anything')
  })
})

describe('the English words read back', () => {
  test.each(cases)('%o', (_shape, english, japanese) => {
    const read = readShape(english)
    expect(read && shapeWords(read, 'en')).toBe(english)
    expect(read && shapeWords(read, 'ja')).toBe(japanese.replace('SYN, ACK なし', 'SYN, ACK なし'))
  })
  test.each(['', 'a flood', 'UDP to', 'UDP and more', 'UDP to 203.0.113.10 port x'])('%s is none', (text) => {
    expect(readShape(text)).toBeUndefined()
  })
})

test('single addresses lose their prefix length', () => {
  expect(address('203.0.113.10/32')).toBe('203.0.113.10')
  expect(address('2001:db8::/32')).toBe('2001:db8::/32')
  expect(address('2001:db8::1/128')).toBe('2001:db8::1')
})

test('an action says what it does', () => {
  const action = { kind: 'rate_limit', pps: 20, shape: { proto: 17, dst_port: 53 } } as Action
  expect(actionWords(action, 'en')).toBe('Lets 20 packets a second through: UDP port 53')
  expect(actionWords({ ...action, kind: 'drop' }, 'ja')).toBe('ポート 53 宛ての UDPを遮断')
  expect(actionWords({ ...action, kind: 'kill_process', process: { pid: 7, path: '/tmp/bot' } as Action['process'] }, 'en')).toBe('Ends the process /tmp/bot (7)')
})
