// Short messages about what was just done or refused.
export interface Notice {
  id: number
  kind: 'done' | 'failed'
  text: string
}

class Notices {
  list: Notice[] = $state([])
  #next = 1

  say(kind: Notice['kind'], text: string) {
    const id = this.#next++
    this.list.push({ id, kind, text })
    setTimeout(() => this.drop(id), kind === 'done' ? 5_000 : 12_000)
  }

  drop(id: number) {
    this.list = this.list.filter((n) => n.id !== id)
  }
}

export const notices = new Notices()
