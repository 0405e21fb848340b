// Light or dark: the browser's wish, or the person's.
export type Theme = 'auto' | 'light' | 'dark'

const stored = 'masugata.theme'
const night = matchMedia('(prefers-color-scheme: dark)')

class Appearance {
  choice: Theme = $state(read())
  #browserDark = $state(night.matches)
  dark: boolean = $derived(this.choice === 'auto' ? this.#browserDark : this.choice === 'dark')

  constructor() {
    night.addEventListener('change', (e) => (this.#browserDark = e.matches))
  }

  choose(choice: Theme) {
    this.choice = choice
    if (choice === 'auto') localStorage.removeItem(stored)
    else localStorage.setItem(stored, choice)
    this.apply()
  }

  apply() {
    if (this.choice === 'auto') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = this.choice
  }
}

function read(): Theme {
  const value = localStorage.getItem(stored)
  return value === 'light' || value === 'dark' ? value : 'auto'
}

export const appearance = new Appearance()
