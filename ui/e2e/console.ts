// What every spec needs: an account, an attack, and eyes for faults of a page.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { expect, type Page } from '@playwright/test'

export const real = process.env.BASE_URL !== undefined
export const user = process.env.MASUGATA_USER ?? 'aya'
export const password = process.env.MASUGATA_PASSWORD ?? 'correct horse battery'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Makes the first account if there is none yet, else signs in. */
export async function enter(page: Page): Promise<void> {
  // A real control plane prints its set-up address at its first start: SETUP_URL.
  await page.goto(process.env.SETUP_URL ?? (real ? '/' : '/setup#fixture'))
  await page.locator('.card h1').waitFor()
  if ((await page.locator('#again').count()) > 0) {
    await page.locator('#user').fill(user)
    await page.locator('#password').fill(password)
    await page.locator('#again').fill(password)
    await page.locator('form button.primary').click()
  } else {
    await signIn(page)
  }
  await expect(page.locator('nav a[aria-current=page]')).toBeVisible()
}

export async function signIn(page: Page): Promise<void> {
  await page.locator('#user').fill(user)
  await page.locator('#password').fill(password)
  await page.locator('form button.primary').click()
}

/** Begins an attack: ATTACK_COMMAND against a real lab, else the fixture plays one. */
export async function beginAttack(page: Page): Promise<void> {
  const command = process.env.ATTACK_COMMAND
  if (command) {
    // It may run until the attack ends; the spec only needs it begun.
    void promisify(execFile)('/bin/sh', ['-c', command]).catch((err: unknown) => console.error('attack command:', err))
    return
  }
  const answer = await page.request.post('/fixture/attack')
  expect(answer.ok(), 'set ATTACK_COMMAND when BASE_URL is a real control plane').toBeTruthy()
}

/** Collects what a page must never do: errors, and what its security policy stopped. */
export function faults(page: Page): string[] {
  const list: string[] = []
  page.on('pageerror', (err) => list.push(String(err)))
  page.on('console', (m) => {
    // A refused call is shown on the page; the browser logs it besides.
    if (m.type() === 'error' && !m.text().startsWith('Failed to load resource')) list.push(m.text())
  })
  return list
}

/** The violations that axe finds on the page as it is now. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    interface Found {
      id: string
      nodes: { target: unknown[]; failureSummary?: string }[]
    }
    const axe = (globalThis as unknown as { axe: { run: (root: Document, options: object) => Promise<{ violations: Found[] }> } }).axe
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary ?? ''}`))
  })
}

/** Language and appearance for the pages that open from now on. */
export async function dress(page: Page, lang: 'en' | 'ja', theme: 'light' | 'dark'): Promise<void> {
  await page.evaluate(([l, t]) => {
    localStorage.setItem('masugata.language', l)
    localStorage.setItem('masugata.theme', t)
  }, [lang, theme] as const)
}

/** Waits until nothing on the page is still loading. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor()
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0)
}
