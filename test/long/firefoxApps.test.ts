// Goal: both sides' web apps do in Firefox what they do in Chromium.
// Method: the very suites of `localApp.test.ts` and `hostedApp.test.ts`, in Debian's headless Firefox, driven by WebDriver BiDi.
import { hostedWebApp } from "../support/suites/hostedWebApp.ts"
import { localWebApp } from "../support/suites/localWebApp.ts"

hostedWebApp("firefox")
localWebApp("firefox")
