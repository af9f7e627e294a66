/** Small helpers for the elements of the page. */

export const byId = id => document.getElementById(id)

/** Make an element with these properties. */
export const make = (name, properties = {}) => Object.assign(document.createElement(name), properties)

/** Set an element's text. Unchanged text is not touched, which keeps any selection in it. */
export function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Make screen readers say a text. */
export function tellScreenReader (text) {
  byId('announcer').textContent = text
}

/** Save a Blob as a file, through the browser's downloads. */
export function saveFile (blob, name) {
  const href = URL.createObjectURL(blob)
  make('a', { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60e3)
}
