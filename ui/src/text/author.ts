// Who did something, in words: the API says "user:aya", "gate:gate-…",
// "correlator", "part:…", "setup".
import { translate, type Lang } from '../i18n/translate'
import type { Namer } from './story'

export function authorWords(author: string, lang: Lang, name: Namer): string {
  const at = author.indexOf(':')
  const kind = at < 0 ? author : author.slice(0, at)
  const who = at < 0 ? '' : author.slice(at + 1)
  switch (kind) {
    case 'correlator':
      return translate(lang, 'author.correlator')
    case 'setup':
      return translate(lang, 'author.setup')
    case 'user':
      return who
    case 'gate':
    case 'agent':
    case 'part':
      return name(who)
    default:
      return author
  }
}
