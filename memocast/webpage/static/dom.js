/** Small helpers for the elements of the page. */

export const byId = id => document.getElementById(id)

/** A new element with these properties. */
export const make = (name, properties = {}) => Object.assign(document.createElement(name), properties)

/** Set an element's text. Text that is already there is left alone, and any selection in it too. */
export function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Have screen readers say something. */
export function tellScreenReader (text) {
  byId('announcer').textContent = text
}

/** Save a Blob as a file, by the browser's download. */
export function saveFile (blob, name) {
  const href = URL.createObjectURL(blob)
  make('a', { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60e3)
}
