/** Questions, and the clipboard. */

const get = id => document.getElementById(id)

/** A yes-or-no question; closing it is no. */
export function ask (question) {
  get('question').textContent = question
  return opened('ask', { yes: () => true, no: () => false }, false)
}

/** New words for a memo, or null. */
export function edit ({ title, description }) {
  get('edit-title').value = title
  get('edit-description').value = description
  const words = () => ({
    title: get('edit-title').value.trim() || title,
    description: get('edit-description').value
  })
  return opened('edit', { 'edit-save': words, 'edit-cancel': () => null }, null)
}

function opened (id, buttons, otherwise) {
  const dialog = get(id)
  return new Promise(resolve => {
    let answer = otherwise
    for (const [button, result] of Object.entries(buttons)) {
      get(button).onclick = () => {
        answer = result()
        dialog.close()
      }
    }
    dialog.onclose = () => resolve(answer)
    dialog.showModal()
  })
}

/** Put a link on the clipboard; where the browser refuses, show it to be copied by hand. */
export async function copy (text) {
  try {
    await navigator.clipboard.writeText(text)
    return 'Copied. Whoever has the link can listen while somebody keeps the memo available.'
  } catch {
    get('by-hand').value = text
    const closed = opened('copy', { 'copy-close': () => null }, null)
    get('by-hand').select()
    await closed
    return ''
  }
}
