import { describe, expect, test } from 'vitest'
import type { Event, Incident, StoryLine } from '../api/model'
import { advise, explain, firedRule, incidentTitle, sourceOf, storyWords } from './story'

const name = (id: string) => ({ 'mac-020000000a01': 'Camera A', 'gate-b21e90c4ff13': 'front-gate' })[id] ?? id
const line = (code: string, params: Record<string, string>, text = 'as written'): StoryLine => ({ time: '2026-11-23T07:00:00Z', code, params, text })

describe('a story line', () => {
  test.each([
    [line('incident.opened', { device: 'mac-020000000a01', target: '203.0.113.10', vector: 'udp' }), 'Camera A began to attack 203.0.113.10: UDP flood.', 'Camera A が 203.0.113.10 への攻撃を始めました (UDP フラッド)。'],
    [line('flood.seen.gate', { device: 'mac-020000000a01', pps: '48200', target: '203.0.113.10', part: 'gate-b21e90c4ff13' }), 'front-gate counts 48,200 packets a second from Camera A to 203.0.113.10.', 'front-gate が Camera A から 203.0.113.10 への毎秒 48,200 パケットを計測しました。'],
    [line('action.sent', { action: 'x', kind: 'drop', scope: 'all', shape: 'UDP to 203.0.113.10 port 9000' }), 'One action for all devices: Drop – UDP to 203.0.113.10 port 9000.', 'すべてのデバイスへの対処を配信: 203.0.113.10 ポート 9000 宛ての UDPを遮断。'],
    [line('action.sent', { action: 'x', kind: 'kill_process', scope: 'mac-020000000a01', process: '/tmp/bot', device: 'mac-020000000a01' }), 'Action on Camera A: end /tmp/bot.', 'Camera A への対処を配信: /tmp/bot を停止。'],
  ])('%o', (l, english, japanese) => {
    expect(storyWords(l, 'en', name)).toBe(english)
    expect(storyWords(l, 'ja', name)).toBe(japanese)
  })
  test('falls back to its text when the code or a value is unknown', () => {
    expect(storyWords(line('moon.rose', {}), 'ja', name)).toBe('as written')
    expect(storyWords(line('flood.ended', {}), 'ja', name)).toBe('as written')
  })
  test('keeps a shape that it cannot read', () => {
    expect(storyWords(line('shape.learned', { shape: 'odd packets' }), 'ja', name)).toBe('攻撃の特徴が判明: odd packets。')
  })
  test('knows who speaks', () => {
    expect(sourceOf(line('flood.seen.agent', {}))).toBe('agent')
    expect(sourceOf(line('action.applied', { part: 'gate-b21e90c4ff13' }))).toBe('gate')
    expect(sourceOf(line('action.applied', { part: 'agent-3f9c2a71d0b4' }))).toBe('agent')
    expect(sourceOf(line('action.sent', {}))).toBe('control')
    expect(sourceOf(line('action.undone', {}))).toBe('person')
  })
})

describe('an event', () => {
  const flood = {
    kind: 'flood.outbound', device: 'mac-020000000a01', reporter: 'gate-b21e90c4ff13', explanation: 'The gate says it.', advice: 'Do this.', count: 1, subject: '203.0.113.10',
    flood: { vector: 'udp', shape: { proto: 17 }, pps: 48_200, bps: 2e8, baseline_pps: 12, packets: 1, sources: 1 },
  } as Event
  test('keeps the words of the part in English and has its own in Japanese', () => {
    expect(explain(flood, 'en', name)).toBe('The gate says it.')
    expect(explain(flood, 'ja', name)).toContain('Camera A が UDP フラッドを送信しています: UDP、毎秒 48.2 k パケット')
    expect(advise(flood, 'en')).toBe('Do this.')
    expect(advise(flood, 'ja')).toContain('ファームウェア')
  })
  test.each([
    [{ kind: 'reputation.blocked', observables: [{ type: 'url', value: 'http://a.example/x' }] }, 'Camera A had traffic with URL http://a.example/x, which has a bad reputation. front-gate stopped it.', 'URL http://a.example/x'],
    [{ kind: 'reputation.seen', observables: [{ type: 'ip', value: '198.51.100.7' }], process: { path: '/tmp/x' } }, '/tmp/x on Camera A spoke with 198.51.100.7, which has a bad reputation. It was let through.', '/tmp/x が評判の悪い 198.51.100.7'],
    [{ kind: 'reputation.seen', rule: 'reputation.lookback', observables: [{ type: 'domain', value: 'a.example' }] }, 'Camera A spoke with a.example before it was listed. Its reputation is bad now.', 'a.example が登録される前に'],
    [{ kind: 'contact', rule: 'contact.in', observables: [{ type: 'ip', value: '192.0.2.9' }, { type: 'port', value: '22' }, { type: 'protocol', value: 'tcp' }] }, '192.0.2.9 spoke to Camera A (tcp/22).', '192.0.2.9 が Camera A に接続'],
  ])('about reputation says what was met: %o', (more, english, japanese) => {
    const e = { ...flood, flood: undefined, explanation: '', advice: '', ...more } as Event
    expect(explain(e, 'en', name)).toBe(english)
    expect(explain(e, 'ja', name)).toContain(japanese)
    expect(advise(e, 'ja') === '').toBe(e.kind === 'contact')
  })
  test('of the inspection shows its rule', () => {
    const e = {
      ...flood, flood: undefined, kind: 'intrusion.blocked', subject: 'Exploit of a camera', rule: '1:2034567:3', explanation: '', advice: '',
      observables: [{ type: 'ip', value: '10.0.0.1' }, { type: 'protocol', value: 'http' }, { type: 'class', value: 'Web Application Attack' }],
    } as Event
    expect(firedRule(e)).toEqual({ sid: '2034567', revision: '3', classification: 'Web Application Attack', protocol: 'http' })
    expect(firedRule({ ...e, rule: '119:7:1', observables: [] })).toEqual({ sid: '119:7', revision: '1', classification: '', protocol: '' })
    expect(firedRule(flood)).toBeUndefined()
    expect(explain(e, 'en', name)).toBe('Traffic of Camera A fits a rule of the inspection: Exploit of a camera. front-gate stopped it.')
    expect(explain(e, 'ja', name)).toContain('front-gate が止めました')
    expect(advise(e, 'ja')).toContain('ルール')
  })
  test('of an unknown kind says what it holds', () => {
    expect(explain({ ...flood, kind: 'moon.rose', explanation: '' }, 'ja', name)).toBe('203.0.113.10')
    expect(advise({ ...flood, kind: 'moon.rose', advice: '' }, 'ja')).toBe('')
  })
})

test('an incident has a title in both languages', () => {
  const i = { kind: 'ddos.outbound', vector: 'syn', target: '203.0.113.10', title: 'x' } as Incident
  expect(incidentTitle(i, 'en')).toBe('SYN flood against 203.0.113.10')
  expect(incidentTitle(i, 'ja')).toBe('203.0.113.10 への SYN フラッド')
  const contact = { ...i, kind: 'reputation.contact', target: 'c2.example' }
  expect(incidentTitle(contact, 'en')).toBe('Contact with what is of bad reputation: c2.example')
  expect(incidentTitle(contact, 'ja')).toBe('評判の悪い相手との通信: c2.example')
  expect(incidentTitle({ ...i, kind: 'else' }, 'ja')).toBe('x')
})
