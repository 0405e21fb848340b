// A verdict on an object in words. The control plane says it in English; in
// Japanese it is put together here from the same facts.
import type { Feed, OwnEntry, Verdict } from '../api/model'
import { isKey, translate, type Lang } from '../i18n/translate'
import { ago, whole } from './units'

export function verdictWords(v: Verdict, lang: Lang, now: number): string {
  return lang === 'ja' ? japanese(v, now) : v.words
}

function japanese(v: Verdict, now: number): string {
  if (v.local) {
    const entry = v.match !== v.object ? ` (登録 ${v.match})` : ''
    return `${v.object} は自分の${v.local === 'allow' ? '許可' : '拒否'}リスト${entry}で決まります。他の情報源は考慮されません。`
  }
  const against = owners(v, 1)
  const speakers = owners(v, -1)
  if (against.length) {
    const part = v.match !== v.object ? ` (${v.match} に該当)` : ''
    const seen = v.last_seen ? `最終確認は${ago(moment(v.last_seen), now, 'ja')}。` : ''
    const damped = v.held ? `ただし${speakers.length ? voices(speakers) : '他の情報源'}によると広く利用されているため、既定では遮断しません。` : speakers.length ? `${voices(speakers)}は問題なしとしており、これも加味しています。` : ''
    const advice = `band.advice.${v.band}` as const
    return `${v.object}${part} は${voices(against)}により「${kindWords(heaviest(v), 'ja')}」として登録されています。${seen}${damped}スコア ${v.score}/100: ${translate('ja', advice)}。`
  }
  if (v.kind === 'benign' && speakers.length) return `${v.object} は${voices(speakers)}により無害とされています。`
  if (v.kind === 'known' && speakers.length) return `${v.object} は広く利用されていると${voices(speakers)}が示しています。問題の報告はありません。`
  if (v.kind !== 'none') return `${v.object} は「${kindWords(v.kind, 'ja')}」として登録されています。スコア ${v.score}/100。`
  return `${v.object} は登録されていません。無害であるとは限りません。`
}

/** The word for a kind; the kind itself when it is new. */
export function kindWords(kind: string, lang: Lang): string {
  const key = `reputation.kind.${kind}`
  return isKey(key) ? translate(lang, key) : kind
}

/** Why a feed is not in order, or would not be: by its code, else as the control plane says it. */
export function doubtWords(f: Pick<Feed, 'why'> & { problem?: string }, lang: Lang): string {
  const key = `feed.why.${f.why?.code}`
  return f.why && isKey(key) ? translate(lang, key, { n: whole(f.why.n, lang), was: whole(f.why.was ?? 0, lang) }) : (f.problem ?? '')
}

/** The kinds that speak against an object, worst last, for people to choose from. */
export const badKinds = ['suspicious', 'anonymizer', 'scanner', 'spam', 'brute-force', 'exploit', 'flood', 'mining', 'phishing', 'bot', 'distribution', 'malware', 'c2', 'vulnerable', 'default-login'] as const

/** The worst kind, unless what speaks for the object hides it. */
function heaviest(v: Verdict): string {
  if (!['none', 'benign', 'known'].includes(v.kind)) return v.kind
  return v.reasons?.find((r) => r.weight > 0)?.kind ?? v.kind
}

/** The owners whose reasons have the sign of side, each once. */
function owners(v: Verdict, side: 1 | -1): string[] {
  return [...new Set((v.reasons ?? []).filter((r) => r.weight * side > 0).map((r) => r.owner))]
}

function voices(list: string[]): string {
  if (list.length === 0) return '古くて重みのない情報源'
  if (list.length < 2) return ` ${list[0]} `
  return `独立した ${list.length} 者 (${list.slice(0, 3).join('、')}${list.length > 3 ? ' ほか' : ''}) `
}

/** The entry of the own lists that decides a verdict. Entries also hold for what is below: *.name, path*. */
export function decidingEntry(v: Verdict, entries: OwnEntry[]): OwnEntry | undefined {
  if (!v.local) return undefined
  const bare = v.match.replace(/^\*\.|\*$/g, '')
  return entries.find((e) => e.list === v.local && (e.object === v.match || e.object.replace(/^\*\.|\*$/g, '') === bare))
}

/** Seconds since 1970 as the API's other times; empty for none. */
export function moment(seconds: number | undefined): string {
  return seconds ? new Date(seconds * 1000).toISOString() : ''
}
