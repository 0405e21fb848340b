// The language in use. Reading `t` inside a component makes it follow a switch.
import { chooseLang, isKey, translate, type Key, type Lang, type Values } from './translate'

const stored = 'masugata.language'

class Language {
  choice: 'auto' | Lang = $state(read())
  lang: Lang = $derived(chooseLang(this.choice, navigator.languages ?? [navigator.language]))

  choose(choice: 'auto' | Lang) {
    this.choice = choice
    if (choice === 'auto') localStorage.removeItem(stored)
    else localStorage.setItem(stored, choice)
    this.apply()
  }

  /** Tells the browser, for fonts, line breaking and screen readers. */
  apply() {
    document.documentElement.lang = this.lang
  }
}

function read(): 'auto' | Lang {
  const value = localStorage.getItem(stored)
  return value === 'ja' || value === 'en' ? value : 'auto'
}

export const language = new Language()

/** The sentence for key in the language in use. */
export function t(key: Key, values?: Values): string {
  return translate(language.lang, key, values)
}

/** Like t for a number: English has key.one and key.other. */
export function tn(key: string, n: number, values: Values = {}): string {
  const form = `${key}.${n === 1 ? 'one' : 'other'}`
  return isKey(form) ? t(form, { n: new Intl.NumberFormat(language.lang).format(n), ...values }) : form
}

/** The word for a value that comes from data; the value itself when unknown. */
export function word(prefix: string, value: string): string {
  const key = `${prefix}.${value}`
  return isKey(key) ? t(key) : value
}
