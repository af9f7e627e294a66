// Runs only in browsers without modules.
document.getElementById('trouble').textContent =
  'This browser is too old for this page. Open the link in a current Firefox, Chrome, Edge or ' +
  'Safari, or fetch it in a terminal: memocast fetch LINK'
