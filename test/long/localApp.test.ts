// Goal: a person does everything with the backend on their machine in a browser, and sees at any moment whether it is in step.
// Method: headless Chromium on real backends: hosted, two paired locals behind one link, and one that is alone. Every page is watched
// for errors, dialogs and requests to anybody else; axe looks at every screen.
import { localWebApp } from "../support/suites/localWebApp.ts"

localWebApp("chromium")
