// Pictures of every page, to be looked at by people: SHOTS=1 npm run e2e.
// They go to SHOTS_DIR.
import { test, type Page } from '@playwright/test'
import { beginAttack, dress, enter, settled } from './console'

const dir = process.env.SHOTS_DIR ?? 'test-results/shots'
const paths = { overview: '/', events: '/events', incidents: '/incidents?show=all', actions: '/actions', proposed: '/actions?show=proposed', devices: '/devices', parts: '/parts', policy: '/policy', audit: '/audit', people: '/people' }

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
  test.setTimeout(300_000)
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
  for (const [lang, theme] of [['en', 'light'], ['ja', 'dark'], ['ja', 'light']] as const) {
    await dress(page, lang, theme)
    await every(page, `${lang}-${theme}`)
  }
  await page.setViewportSize({ width: 390, height: 844 })
  await every(page, 'narrow')
})
