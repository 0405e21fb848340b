// Which observables of events have a reputation, and how it is asked for.
import type { Observable } from '../api/model'

const lookable = ['ip', 'domain', 'url', 'sha256', 'sha1', 'md5', 'ja4', 'certificate']

/** The object of an observable as the reputation service reads it; empty when it has none. */
export function objectOf(o: Observable): string {
  if (!lookable.includes(o.type)) return ''
  // Without colons, the digits would be read as the hash of a file.
  return o.type === 'certificate' ? (o.value.match(/../g)?.join(':') ?? '') : o.value
}

/** The page that says what is known of an object. */
export function verdictOf(object: string): string {
  return `/reputation?object=${encodeURIComponent(object)}`
}

/** The objects of events, what most of them name first, at most n. */
export function objectsOf(events: { observables?: Observable[] | null }[], n: number): Observable[] {
  const found = new Map<string, { o: Observable; times: number }>()
  for (const o of events.flatMap((e) => e.observables ?? [])) {
    if (!objectOf(o)) continue
    const key = `${o.type}=${o.value}`
    const f = found.get(key)
    if (f) f.times++
    else found.set(key, { o, times: 1 })
  }
  return [...found.values()].sort((a, b) => b.times - a.times).slice(0, n).map((f) => f.o)
}
