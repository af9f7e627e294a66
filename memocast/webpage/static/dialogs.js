/** The dialogs of the page, and the clipboard. */

import { byId } from './dom.js'

/** Ask a yes-or-no question. Closing the dialog means no. */
export function ask (question) {
  byId('question').textContent = question
  return openDialog('ask', { yes: () => true, no: () => false }, false)
}

/** Let the user edit a memo's title and description. Resolves to both, or to null when cancelled. */
export function edit ({ title, description }) {
  byId('edit-title').value = title
  byId('edit-description').value = description
  const fields = () => ({
    title: byId('edit-title').value.trim() || title,
    description: byId('edit-description').value
  })
  return openDialog('edit', { 'edit-save': fields, 'edit-cancel': () => null }, null)
}

/** Open a dialog. Resolves to the result of the button that closes it, or else to `otherwise`. */
function openDialog (id, buttons, otherwise) {
  const dialog = byId(id)
  return new Promise(resolve => {
    let answer = otherwise
    for (const [button, result] of Object.entries(buttons)) {
      byId(button).onclick = () => {
        answer = result()
        dialog.close()
      }
    }
    dialog.onclose = () => resolve(answer)
    dialog.showModal()
  })
}

/**
 * Copy a link to the clipboard, or if the browser refuses, show it to be copied by hand.
 * Resolves to a message for the user.
 */
export async function copy (link) {
  try {
    await navigator.clipboard.writeText(link)
    return 'Copied. Anyone with the link can listen while somebody keeps the memo available.'
  } catch {
    byId('by-hand').value = link
    const closed = openDialog('copy', { 'copy-close': () => null }, null)
    byId('by-hand').select()
    await closed
    return ''
  }
}
