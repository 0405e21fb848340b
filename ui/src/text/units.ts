// Numbers, sizes and spans of time as people read them.
import type { Lang } from '../i18n/translate'

export const locale = (lang: Lang) => (lang === 'ja' ? 'ja-JP' : 'en-GB')

/** 1234567 → 1,234,567 */
export function whole(n: number, lang: Lang): string {
  return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(n)
}

/** 1234567 → 1.23 M: three digits that matter, with the SI letter. */
export function short(n: number): string {
  const steps = ['', ' k', ' M', ' G', ' T', ' P']
  let i = 0
  let v = n
  while (Math.abs(v) >= 999.5 && i < steps.length - 1) {
    v /= 1000
    i++
  }
  if (i === 0) return Number.isInteger(v) ? String(v) : v.toFixed(v < 10 ? 1 : 0)
  return (v < 9.995 ? v.toFixed(2) : v < 99.95 ? v.toFixed(1) : v.toFixed(0)) + steps[i]
}

/** Bytes in powers of a thousand, as networks count. */
export function bytes(n: number): string {
  const s = short(n)
  return s.includes(' ') ? `${s}B` : `${s} B`
}

/** Bits per second. */
export function bitRate(bps: number): string {
  const s = short(bps)
  return s.includes(' ') ? `${s}bit/s` : `${s} bit/s`
}

/** A span in seconds as its two greatest units: 1 h 05 min, 42 s. */
export function span(seconds: number, lang: Lang): string {
  const s = Math.max(0, Math.round(seconds))
  const units = lang === 'ja' ? ['日', '時間', '分', '秒'] : ['d', 'h', 'min', 's']
  const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60]
  const first = parts.findIndex((p) => p > 0)
  if (first < 0) return lang === 'ja' ? '0 秒' : '0 s'
  const shown = [`${parts[first]} ${units[first]}`]
  const next = parts[first + 1]
  if (next) shown.push(`${String(next).padStart(2, '0')} ${units[first + 1]}`)
  return shown.join(' ')
}

/** How long ago, in one unit: "3 min ago". */
export function ago(time: string, now: number, lang: Lang): string {
  const s = (Date.parse(time) - now) / 1000
  const f = new Intl.RelativeTimeFormat(locale(lang), { numeric: 'auto', style: 'short' })
  const abs = Math.abs(s)
  if (abs < 1) return f.format(0, 'second')
  if (abs < 60) return f.format(Math.trunc(s), 'second')
  if (abs < 3600) return f.format(Math.trunc(s / 60), 'minute')
  if (abs < 86400) return f.format(Math.trunc(s / 3600), 'hour')
  return f.format(Math.trunc(s / 86400), 'day')
}

/** Clock time, with the day unless it is today; milliseconds on request. */
export function clock(time: string, now: number, lang: Lang, exact = false): string {
  const d = new Date(time)
  const today = new Date(now).toDateString() === d.toDateString()
  const hms = d.toLocaleTimeString(locale(lang), { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  const ms = exact ? `.${String(d.getMilliseconds()).padStart(3, '0')}` : ''
  if (today) return hms + ms
  return `${d.toLocaleDateString(locale(lang), { month: 'short', day: 'numeric' })} ${hms}${ms}`
}

/** Date and time in full, with the zone. */
export function full(time: string, lang: Lang): string {
  return new Date(time).toLocaleString(locale(lang), {
    dateStyle: 'long',
    timeStyle: 'long',
  })
}

/** Whether a time from the control plane was ever set. */
export function isSet(time: string | undefined): time is string {
  return !!time && !time.startsWith('0001-')
}

/** The time between the beginning of something and a step of it: +0.214 s. */
export function delay(ms: number, lang: Lang, plus = '+'): string {
  const sign = ms < 0 ? '−' : plus
  const abs = Math.abs(ms)
  if (abs < 10_000) return `${sign}${(abs / 1000).toFixed(abs < 1000 ? 3 : 2)} ${lang === 'ja' ? '秒' : 's'}`
  return sign + span(abs / 1000, lang)
}
