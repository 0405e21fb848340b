// What went wrong with something that a person did, as a notice.
import { CallError } from '../api/errors'
import { t } from '../i18n/lang.svelte'
import { notices } from './notices.svelte'

/** Says why a call failed. */
export function sayFailure(err: unknown): void {
  notices.say('failed', err instanceof CallError && err.status !== 0 ? (err.problems[0]?.message ?? err.detail) : t('load.no_answer'))
}
