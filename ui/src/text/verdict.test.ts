import { describe, expect, test } from 'vitest'
import type { Verdict } from '../api/model'
import { decidingEntry, doubtWords, kindWords, moment, verdictWords } from './verdict'

const now = 1_700_010_000_000
const reason = (owner: string, weight: number, kind: Verdict['kind'] = 'c2') => ({ source: owner, owner, kind, weight })
const verdict = (more: Partial<Verdict>): Verdict => ({ object: '198.51.100.7', match: '198.51.100.7', score: 0, band: 'none', kind: 'none', confidence: 0, words: 'as the control plane says', reasons: [], ...more })

describe('a verdict in words', () => {
  test('is the control plane’s in English', () => expect(verdictWords(verdict({}), 'en', now)).toBe('as the control plane says'))
  test('names owners once, kind, score and what follows from it', () => {
    const words = verdictWords(verdict({ score: 96, band: 'certain', kind: 'c2', reasons: [reason('A', 80), reason('A', 60), reason('B', 50)] }), 'ja', now)
    expect(words).toBe('198.51.100.7 は独立した 2 者 (A、B) により「マルウェアの指令元 (C2)」として登録されています。スコア 96/100: すべての場所で遮断。')
  })
  test('says what speaks for it, and under which entry it is listed', () => {
    const words = verdictWords(verdict({ match: '198.51.100.0/24', score: 12, kind: 'benign', reasons: [reason('A', 40, 'scanner'), reason('W', -70, 'benign')] }), 'ja', now)
    expect(words).toContain('198.51.100.7 (198.51.100.0/24 に該当)')
    expect(words).toContain('「スキャン元」')
    expect(words).toContain('W は問題なし')
  })
  test('says when it was last seen, and that wide use keeps it below the block', () => {
    const words = verdictWords(verdict({ score: 60, band: 'medium', kind: 'c2', held: true, last_seen: 1_700_000_000, reasons: [reason('A', 80), reason('CDN', -20, 'known')] }), 'ja', now)
    expect(words).toContain('最終確認は2 時間前。')
    expect(words).toContain('ただし CDN によると広く利用されているため')
  })
  test.each([
    [{ local: 'deny' as const }, '自分の拒否リストで決まります'],
    [{ kind: 'benign' as const, reasons: [reason('W', -80, 'benign')] }, '無害とされています'],
    [{ kind: 'known' as const, reasons: [reason('W', -20, 'known')] }, '広く利用されている'],
    [{ kind: 'bot' as const }, '「ボット」として登録'],
    [{}, '登録されていません'],
  ])('tells the other cases apart: %j', (more, want) => expect(verdictWords(verdict(more), 'ja', now)).toContain(want))
})

test('a new kind stays as it came', () => expect(kindWords('new-kind', 'ja')).toBe('new-kind'))

test('the deciding entry is found, also when it holds for names below', () => {
  const entries = [{ object: 'example.net', list: 'allow' as const }, { object: 'example.org', list: 'deny' as const }]
  expect(decidingEntry(verdict({ local: 'deny', match: '*.example.org' }), entries)?.object).toBe('example.org')
  expect(decidingEntry(verdict({ local: 'allow', match: 'example.org' }), entries)).toBeUndefined()
  expect(decidingEntry(verdict({ match: 'example.org' }), entries)).toBeUndefined()
})

test('a moment of seconds, or none', () => {
  expect(moment(1_700_000_000)).toBe('2023-11-14T22:13:20.000Z')
  expect(moment(undefined)).toBe('')
  expect(moment(0)).toBe('')
})

test('a doubt in words, or as it came', () => {
  expect(doubtWords({ why: { code: 'shrunk', n: 1204, was: 61_870 }, problem: 'x' }, 'ja')).toBe('登録が 61,870 件から 1,204 件に減っています')
  expect(doubtWords({ problem: 'the server answered 503' }, 'ja')).toBe('the server answered 503')
})
