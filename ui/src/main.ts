import './styles/tokens.css'
import './styles/base.css'
import './styles/pieces.css'
import 'uplot/dist/uPlot.min.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { language } from './i18n/lang.svelte'
import { appearance } from './shell/theme.svelte'

language.apply()
appearance.apply()

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')
export default mount(App, { target })
