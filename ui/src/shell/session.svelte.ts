// Who is signed in, and what they may do.
import { calls } from '../api/calls'
import { CallError } from '../api/errors'
import type { Access } from '../api/model'

type State = 'unknown' | 'setup' | 'out' | 'in' | 'unreachable'

const rank: Record<Access, number> = { partner: 0, viewer: 1, operator: 2, admin: 3 }

class Session {
  state: State = $state('unknown')
  user = $state('')
  access: Access = $state('viewer')

  /** Finds out where we stand; called at start and after a lost session. */
  async look(): Promise<void> {
    try {
      if (await calls.setupNeeded()) {
        this.state = 'setup'
        return
      }
      const s = await calls.session()
      this.enter(s.user, s.access)
    } catch (err) {
      this.state = err instanceof CallError && (err.status === 401 || err.status === 403) ? 'out' : 'unreachable'
    }
  }

  async signIn(user: string, password: string): Promise<void> {
    await calls.signIn(user, password)
    const s = await calls.session()
    this.enter(s.user, s.access)
  }

  async signOut(): Promise<void> {
    try {
      await calls.signOut()
    } finally {
      this.lost()
    }
  }

  enter(user: string, access: Access) {
    this.user = user
    this.access = access
    this.state = 'in'
  }

  lost() {
    this.state = 'out'
  }

  may(least: Access): boolean {
    return rank[this.access] >= rank[least]
  }
}

export const session = new Session()
