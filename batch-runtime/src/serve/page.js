// Refreshes the live part of the page every two seconds while the page is visible. The page works without this script.
'use strict';
(() => {
  const live = document.querySelector('#live[data-follow]');
  const connection = document.getElementById('connection');
  let tag = null;
  let timer = 0;
  let wait = 2000;

  const say = (text) => {
    if (connection && connection.textContent !== text) connection.textContent = text;
  };

  // Keeps opened details open, and keeps the keyboard's focus where it is.
  const swap = (html) => {
    const open = [...live.querySelectorAll('details[open][id]')].map((it) => it.id);
    const active = live.contains(document.activeElement) ? document.activeElement.id : '';
    live.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute('open', '');
    if (active) document.getElementById(active)?.focus({ preventScroll: true });
  };

  const isBusy = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  };

  const refresh = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const headers = { 'X-Fragment': '1' };
      if (tag) headers['If-None-Match'] = tag;
      const answer = await fetch(location.href, { headers, cache: 'no-store', redirect: 'error' });
      if (answer.status === 401) return say('The session has ended: reload the page');
      if (answer.ok) {
        const html = await answer.text();
        if (!isBusy()) {
          tag = answer.headers.get('ETag');
          swap(html);
        }
      }
      const isKnown = answer.ok || answer.status === 304;
      say(isKnown ? '' : `The server answers with ${answer.status}: this page may be out of date`);
      wait = isKnown ? 2000 : Math.min(wait * 2, 30000);
    } catch {
      say('No connection to the server');
      wait = Math.min(wait * 2, 30000);
    }
    timer = setTimeout(refresh, wait);
  };

  if (live) {
    timer = setTimeout(refresh, wait);
    document.addEventListener('visibilitychange', refresh);
  }

  // Shows what a form would do, while somebody fills it in. Secrets stay in the browser until the form is sent.
  const form = document.querySelector('form[data-check]');
  let typing = 0;
  form?.addEventListener('input', (event) => {
    const field = event.target.closest('.field');
    field?.querySelector('.wrong')?.remove();
    field?.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const fields = new URLSearchParams(new FormData(form));
      for (const secret of form.querySelectorAll('[type=password]')) fields.delete(secret.name);
      fields.set('do', 'check');
      const answer = await fetch(form.action, { method: 'POST', body: fields, headers: { 'X-Fragment': '1' } }).catch(() => null);
      if (answer?.ok) document.getElementById('outlook').innerHTML = await answer.text();
    }, 300);
  });

  // Asks the question of a button, and disables the button, because a second press would send the form again.
  document.addEventListener('submit', (event) => {
    if (event.target.method !== 'post') return;
    const question = event.submitter?.dataset.ask;
    if (question && !confirm(question)) return event.preventDefault();
    setTimeout(() => event.submitter?.setAttribute('disabled', ''));
  });
})();
