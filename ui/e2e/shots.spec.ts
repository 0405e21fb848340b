// Pictures of every page, to be looked at by people: SHOTS=1 npm run e2e.
// They go to SHOTS_DIR; SHOTS=ja-dark,narrow takes only those.
import { test, type Page } from '@playwright/test'
import { beginAttack, dress, enter, settled } from './console'

const dir = process.env.SHOTS_DIR ?? 'test-results/shots'
const paths = { overview: '/', events: '/events', incidents: '/incidents?show=all', actions: '/actions', proposed: '/actions?show=proposed', devices: '/devices', reputation: '/reputation?object=198.51.100.23', feeds: '/reputation/feeds', effect: '/reputation/effect', whatif: '/reputation/what-if?held=bad-names', parts: '/parts', policy: '/policy', audit: '/audit', people: '/people' }

const wanted = process.env.SHOTS ?? '1'
const sets = [
  ['en-light', 'en', 'light', 1440],
  ['en-dark', 'en', 'dark', 1440],
  ['ja-light', 'ja', 'light', 1440],
  ['ja-dark', 'ja', 'dark', 1440],
  ['narrow', 'ja', 'light', 390],
  ['narrow-dark', 'en', 'dark', 390],
] as const

async function every(page: Page, tag: string) {
  const take = async (name: string, fullPage = true) => {
    await page.waitForTimeout(350)
    await page.screenshot({ path: `${dir}/${tag}-${name}.png`, fullPage })
  }
  for (const [name, path] of Object.entries(paths)) {
    await page.goto(path)
    await settled(page)
    await take(name)
  }
  await page.goto('/incidents')
  await page.locator('li[data-incident] a').first().click()
  await settled(page)
  await take('incident')
  await page.goto('/devices')
  await page.locator('tr[data-device] a.name').first().click()
  await settled(page)
  await take('device')
  await page.locator('main .page-head button.danger').click()
  await take('order', false)
  await page.goto('/events?q=kind%3Aflood.outbound')
  await page.locator('button.open').first().click()
  await take('event', false)
  await page.goto('/parts')
  await page.locator('.page-head button.primary').click()
  await page.locator('dialog button.primary').click()
  await page.locator('dialog pre').first().waitFor()
  await take('enrol', false)
}

test('pictures', async ({ page }) => {
  test.setTimeout(600_000)
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.goto('/setup')
  await settled(page)
  await page.screenshot({ path: `${dir}/setup.png` })
  await enter(page)
  await page.goto('/')
  await settled(page)
  await page.screenshot({ path: `${dir}/quiet-overview.png`, fullPage: true })
  await beginAttack(page)
  await page.waitForTimeout(2500)
  for (const [tag, lang, theme, width] of sets) {
    if (wanted !== '1' && !wanted.split(',').includes(tag)) continue
    await dress(page, lang, theme)
    await page.setViewportSize({ width, height: width < 600 ? 844 : 900 })
    await every(page, tag)
  }
})
