// Opened as a file, a page has no modules and no workers: say so where app.js cannot.
if (location.protocol === 'file:') {
  addEventListener('DOMContentLoaded', () => {
    const message = document.getElementById('message');
    message.hidden = false;
    message.textContent = 'Opened as a file, this page cannot compute. Serve its folder, with any file'
      + ' server, or with fststyle page --serve.';
  });
}
